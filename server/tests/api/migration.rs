//! Migration of databases of the original, of other apis, and of newer versions. `crates/dev/e2e`
//! runs the programs of the original on a migrated database.

use std::sync::Arc;

use stack::testing::Database;

use crate::Api;

#[tokio::test(flavor = "multi_thread")]
async fn an_original_database_is_migrated_and_its_server_can_still_use_it() {
    let database = Database::new().unwrap();
    database.psql("CREATE TABLE values (number INT)").unwrap();
    database.psql("INSERT INTO values(number) VALUES (7), (NULL), (3), (-5), (7)").unwrap();
    let api = Api::on_database(Arc::new(database), &[]).await.with_worker().await;
    assert_eq!(api.submission_count(), "5");
    assert_eq!(api.numbers("/values/all").await, [7, 3, 7]);
    api.until_listed([(7, "13"), (3, "2")]).await;

    api.sql("INSERT INTO values(number) VALUES (12)");
    assert_eq!(api.numbers("/values/all").await, [7, 3, 7, 12]);
    api.until_listed([(12, "144")]).await;
    let counts = api.sql("SELECT number, submissions FROM indices ORDER BY number");
    assert_eq!(counts, "3|1\n7|2\n12|1");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_apis_may_migrate_one_database_at_once() {
    let database = Arc::new(Database::new().unwrap());
    let api = || Api::on_database(Arc::clone(&database), &[]);
    let (first, second, third) = tokio::join!(api(), api(), api());
    for api in [&first, &second, &third] {
        assert_eq!(api.readiness().await["postgres"], "up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_binary_works_on_the_schema_of_a_newer_one() {
    let mut api = Api::start().await.with_worker().await;
    api.sql("INSERT INTO _sqlx_migrations VALUES (9999, 'newer', now(), true, '\\x00', 0)");
    api.sql("CREATE TABLE newer (id INT)");
    api.sql(r#"ALTER TABLE "values" ADD COLUMN note TEXT NOT NULL DEFAULT ''"#);
    api.sql("ALTER TABLE indices ADD COLUMN note TEXT");
    api.restart(&[]).await;
    api.submit(10).await;
    api.until_listed([(10, "55")]).await;
    assert_eq!(api.numbers("/values/all").await, [10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_server_may_use_a_role_with_few_privileges() {
    let api = Api::start().await.with_worker().await;
    let role = format!("original_{}", api.database.as_ref().unwrap().name());
    api.sql(&format!(r#"CREATE ROLE {role}; GRANT SELECT, INSERT ON "values" TO {role}"#));
    // The trigger must not write to these tables instead of ours.
    let insert = format!(
        "CREATE SCHEMA {role} AUTHORIZATION {role};
         SET ROLE {role}; SET search_path = {role}, public;
         CREATE TABLE indices (number int, newest bigint, submissions bigint);
         CREATE TEMPORARY TABLE indices (number int, newest bigint, submissions bigint);
         INSERT INTO values(number) VALUES (12)"
    );
    api.sql(&insert);
    api.until_listed([(12, "144")]).await;
    assert_eq!(api.sql("SELECT number, submissions FROM indices"), "12|1");
    api.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
