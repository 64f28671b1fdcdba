//! The page, used by people: what one does is seen by the others, and what is wrong is said.

use e2e::{System, browsers};

#[tokio::test]
async fn a_value_appears_in_every_browser_without_a_reload() {
    let system = System::shared().expect("the system should start");
    browsers(&system.url(), async |[mine, other]| {
        // A reload would forget this.
        let mark = "window.notReloaded = true";
        other.client().execute(mark, vec![]).await.expect("a script should run");
        other.shows("connection", "Live").await;

        mine.submit("10").await;
        mine.shows("value", "For index 10 I calculated 55").await;
        mine.shows("seen-index", "10").await;
        assert_eq!(mine.typed().await, "", "the field should be ready for the next index");

        other.shows("value", "For index 10 I calculated 55").await;
        other.shows("seen-index", "10").await;
        let kept = other.client().execute("return window.notReloaded === true", vec![]).await;
        assert_eq!(kept.expect("a script should run"), true);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_a_whole_number_is_refused_and_stays_in_the_field() {
    let system = System::shared().expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.submit("abc").await;
        page.shows("error", "An index is a whole number, written in digits: 0, 1, 2, …").await;
        assert_eq!(page.typed().await, "abc");
    })
    .await;
}

#[tokio::test]
async fn an_index_above_the_servers_bound_is_refused_in_the_servers_words() {
    let system = System::shared().expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.submit("2000000000").await;
        let words = "Index too high: the highest index that is calculated here is 10000000.";
        page.shows("error", words).await;
        assert_eq!(page.typed().await, "2000000000");
    })
    .await;
}

#[tokio::test]
async fn a_page_opened_later_shows_what_was_calculated_before() {
    let system = System::shared().expect("the system should start");
    let answer = system.submit(20).await.expect("the edge should answer");
    assert_eq!(answer.status(), 200);
    browsers(&system.url(), async |[page]| {
        page.shows("value", "For index 20 I calculated 6765").await;
    })
    .await;
}
