//! Reads `aws/site.yaml`: the options of the environment of Elastic Beanstalk.

use std::fs;

use serde_json::Value;

use crate::root;

/// The namespace of the environment's properties, which are variables of all containers.
const PROPERTIES: &str = "aws:elasticbeanstalk:application:environment";

/// The template, without the tags of its intrinsic functions: `!Ref Name` is the string `Name`, and
/// `!If [Condition, A, B]` is a list.
pub fn site_template() -> Value {
    let text = fs::read_to_string(root().join("aws/site.yaml")).expect("aws/site.yaml");
    serde_saphyr::from_str(&text).expect("aws/site.yaml should be YAML")
}

/// An option of the environment.
#[derive(Debug)]
pub struct BeanstalkOption {
    pub namespace: String,
    pub name: String,
    /// A text, or the list of an `!If`.
    pub value: Value,
}

/// All options of the environment, those that depend on a condition included.
pub fn beanstalk_options() -> Vec<BeanstalkOption> {
    let settings = site_template()["Resources"]["Site"]["Properties"]["OptionSettings"].take();
    let settings = settings.as_array().expect("OptionSettings").iter();
    let option = |setting: &Value| {
        // `!If [Condition, setting, nothing]`
        let setting = setting.get(1).unwrap_or(setting);
        let text = |name: &str| setting[name].as_str().expect(name).to_owned();
        let value = setting["Value"].clone();
        BeanstalkOption { namespace: text("Namespace"), name: text("OptionName"), value }
    };
    settings.map(option).collect()
}

/// The environment's properties: names and values.
pub fn site_properties() -> Vec<(String, Value)> {
    let properties = beanstalk_options().into_iter().filter(|each| each.namespace == PROPERTIES);
    properties.map(|property| (property.name, property.value)).collect()
}
