//! An original database is migrated with everything in it. That the original's programs go on
//! working on it is tested in `e2e`.

use std::sync::Arc;

use stack::testing::Database;

use crate::Api;

#[tokio::test(flavor = "multi_thread")]
async fn an_original_database_is_migrated_and_its_server_can_still_use_it() {
    let database = Database::new().unwrap();
    database.psql("CREATE TABLE values (number INT)").unwrap();
    database.psql("INSERT INTO values(number) VALUES (7), (NULL), (3), (-5), (7)").unwrap();
    let api = Api::on(Arc::new(database), &[]).await.worker().await;
    assert_eq!(api.rows(), "5");
    assert_eq!(api.numbers("/values/all").await, [7, 3, 7]);
    api.until_shown([(7, "13"), (3, "2")]).await;

    api.sql("INSERT INTO values(number) VALUES (12)");
    assert_eq!(api.numbers("/values/all").await, [7, 3, 7, 12]);
    api.until_shown([(12, "144")]).await;
    let counts = api.sql("SELECT number, submissions FROM indices ORDER BY number");
    assert_eq!(counts, "3|1\n7|2\n12|1");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_apis_may_migrate_one_database_at_once() {
    let database = Arc::new(Database::new().unwrap());
    let api = || Api::on(Arc::clone(&database), &[]);
    let (first, second, third) = tokio::join!(api(), api(), api());
    for api in [&first, &second, &third] {
        assert_eq!(api.ready().await["postgres"], "up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_binary_works_on_the_schema_of_a_newer_one() {
    let mut api = Api::start().await.worker().await;
    api.sql("INSERT INTO _sqlx_migrations VALUES (9999, 'of the future', now(), true, '\\x00', 0)");
    api.sql(r#"CREATE TABLE future (id INT); ALTER TABLE "values" ADD COLUMN note TEXT NOT NULL DEFAULT ''"#);
    api.sql("ALTER TABLE indices ADD COLUMN note TEXT");
    api.restart(&[]).await;
    api.submit(10).await;
    api.until_shown([(10, "55")]).await;
    assert_eq!(api.numbers("/values/all").await, [10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_server_may_have_a_role_with_few_rights() {
    let api = Api::start().await.worker().await;
    let role = format!("original_{}", api.database.as_ref().unwrap().name());
    api.sql(&format!(r#"CREATE ROLE {role}; GRANT SELECT, INSERT ON "values" TO {role}"#));
    // Of its tables and functions, none takes the place of ours.
    let insert = format!(
        "CREATE SCHEMA {role} AUTHORIZATION {role}; SET ROLE {role}; SET search_path = {role}, public;
         CREATE TABLE indices (number int, newest bigint, submissions bigint);
         CREATE TEMPORARY TABLE indices (number int, newest bigint, submissions bigint);
         INSERT INTO values(number) VALUES (12)"
    );
    api.sql(&insert);
    api.until_shown([(12, "144")]).await;
    assert_eq!(api.sql("SELECT number, submissions FROM indices"), "12|1");
    api.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
