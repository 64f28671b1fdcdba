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
