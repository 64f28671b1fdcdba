//! The diagram and the replay on `/how-it-works`, on a running system.

use e2e::{BrowserPage, DESKTOP, ENTER, EVERY_HOP, LocalSite, Site, TAB};
use serde_json::{Value, json};
use stack::SystemOptions;

const ROUTE: &str = "/how-it-works";

/// Phones on which the whole diagram is visible after a submission.
const PHONES: [(u32, u32); 2] = [(390, 844), (360, 740)];

/// A step of the replay, with the parts and the number of arrows that stand out in the diagram.
struct ShownStep {
    title: String,
    text: String,
    message: String,
    parts: Value,
    arrows: Value,
}

/// Opens the route, and waits until the lesson and the state of the system are shown.
async fn open(site: &LocalSite) -> BrowserPage {
    let page = site.open(ROUTE).await;
    page.wait_until(
        "the diagram is complete",
        "document.querySelector('[data-part=api] .image')?.textContent == 'usamaa96/server'
            && document.querySelector('[data-part=api]').dataset.health == 'up'",
    )
    .await;
    page
}

async fn submit_and_wait(page: &BrowserPage, index: &str) {
    page.submit(index).await;
    page.wait_until_calculated().await;
    page.wait_until_accepted().await;
}

async fn text(page: &BrowserPage, name: &str) -> String {
    page.texts(name).await.concat()
}

/// Presses "Next" by keyboard until the last step.
async fn replay(page: &BrowserPage) -> Vec<ShownStep> {
    let mut steps = Vec::new();
    page.focus("replay-next").await;
    loop {
        page.press(ENTER).await;
        let progress = format!("Step {} of ", steps.len() + 1);
        let shown = "document.querySelector('[data-testid=replay-progress]').textContent";
        page.wait_until(&progress, &format!("{shown}.startsWith('{progress}')")).await;
        let lit = "return [...document.querySelectorAll('.part.lit')].map(e => e.dataset.part)";
        steps.push(ShownStep {
            title: text(page, "replay-title").await,
            text: text(page, "replay-text").await,
            message: text(page, "replay-message").await,
            parts: page.execute(lit).await,
            arrows: page.execute("return document.querySelectorAll('.arrow.lit').length").await,
        });
        if text(page, "replay-progress").await.ends_with(&format!(" {}", steps.len())) {
            return steps;
        }
        assert!(steps.len() < EVERY_HOP.len(), "it does not end");
    }
}

fn titles(steps: &[ShownStep]) -> Vec<&str> {
    steps.iter().map(|step| step.title.as_str()).collect()
}

#[tokio::test]
async fn a_calculated_submission_is_replayed_with_what_travelled() {
    let site = Site::shared();
    let page = open(&site).await;
    assert_eq!(text(&page, "replay-text").await, "Submit an index. Then replay its path here.");
    let record_events = "window.received = []; window.other = new EventSource('/api/events');
        other.addEventListener('value', event => received.push(event.data))";
    page.execute(record_events).await;
    page.wait_until("the other stream is open", "other.readyState == EventSource.OPEN").await;
    submit_and_wait(&page, "6543").await;
    page.wait_until("its event was received", "received.some(e => e.includes('6543'))").await;
    let event = page.execute("return received.find(e => e.includes('6543'))").await;
    let id = page.texts("request-id").await.remove(0);
    let worker = text(&page, "worker").await.replace("by worker ", "");

    let steps = replay(&page).await;
    assert_eq!(titles(&steps), EVERY_HOP);
    let message = |step: usize| steps[step].message.as_str();
    let request = format!(
        "POST /api/values HTTP/1.1\nContent-Type: application/json\nX-Request-Id: {id}\n\n\
         {{\"index\":6543}}"
    );
    assert_eq!(message(1), request);
    assert!(message(3).contains("-- $1 = {6543}, id = "), "{}", message(3));
    assert!(message(4).contains("  6543 small "), "{}", message(4));
    assert!(message(4).contains("\n\nHTTP/1.1 200\n\n{\"working\":true,"), "{}", message(4));
    assert!(message(5).contains(&worker) && message(5).contains(&id), "{}", message(5));
    assert_eq!(message(8), format!("event: value\ndata: {}", event.as_str().expect("an event")));
    for ShownStep { title, message, text, .. } in &steps {
        assert!(!message.contains("{index}") && !message.contains("_id}"), "{title}: {message}");
        assert!(text.len() > 50, "{title}: {text}");
    }
    let parts =
        ["browser", "edge", "api", "postgres", "redis", "worker", "worker", "redis", "browser"];
    for (step, part) in steps.iter().zip(parts) {
        assert_eq!(step.parts, json!([part]), "{}", step.title);
    }
    let arrows: Vec<_> = steps.iter().map(|step| step.arrows.clone()).collect();
    assert_eq!(arrows, [0, 1, 1, 1, 1, 1, 0, 1, 3]);
    for command in page.texts("log-command").await {
        assert!(command.contains(&format!("grep {id}")), "{command}");
    }
}

#[tokio::test]
async fn the_replay_of_a_known_index_ends_with_the_response() {
    let site = Site::shared();
    let page = open(&site).await;
    submit_and_wait(&page, "6544").await;
    page.submit("6544").await;
    let note = "Nothing was queued: this value was calculated before.";
    page.wait_for_text("why", note).await;
    let steps = replay(&page).await;
    let expected = [&EVERY_HOP[..4], ["Browser at once"].as_slice()].concat();
    assert_eq!(titles(&steps), expected);
    let last = &steps[4];
    assert_eq!(last.text, note);
    assert!(last.message.starts_with("HTTP/1.1 200\n\n"), "{}", last.message);
    assert!(last.message.contains(r#""state":"done""#), "{}", last.message);
}

#[tokio::test]
async fn the_replay_of_a_refused_submission_ends_where_it_was_refused() {
    let site = LocalSite::start();
    let page = open(&site).await;
    site.postgres.stop().expect("Postgres should stop");
    page.submit("6545").await;
    page.wait_for("[data-testid=journey][data-state=failed]").await;
    let steps = replay(&page).await;
    assert_eq!(titles(&steps), ["Browser sent", "Edge received", "API stopped here"]);
    let last = &steps[2];
    assert!(last.message.starts_with("HTTP/1.1 503\nRetry-After: 1\n\n{"), "{}", last.message);
    assert_eq!(last.text, text(&page, "why").await);
}

#[tokio::test]
async fn a_replay_plays_until_it_is_paused_or_ends() {
    let site = Site::shared();
    let page = open(&site).await;
    submit_and_wait(&page, "6546").await;
    page.click("replay-previous").await;
    assert_eq!(page.texts("replay-progress").await, [""], "there is no step before the first");
    page.click("replay-play").await;
    page.wait_for_text("replay-progress", "Step 2 of 9").await;
    assert_eq!(page.texts("replay-play").await, ["Pause"]);
    page.click("replay-play").await;
    assert_eq!(page.texts("replay-play").await, ["Play"]);
    page.click("replay-play").await;
    page.wait_for_text("replay-play", "Pause").await;
    page.click("replay-previous").await;
    page.wait_for_text("replay-play", "Play").await;
    // A new submission ends the replay of the previous one.
    submit_and_wait(&page, "6547").await;
    page.wait_for_text("replay-progress", "").await;
    page.emulate_preference("reduced-motion", "reduce").await;
    let is_hidden = "!document.querySelector('[data-testid=replay-play]').checkVisibility()";
    page.wait_until("steps are by hand", is_hidden).await;
}

#[tokio::test]
async fn each_worker_has_a_box_as_long_as_it_is_alive() {
    let site = LocalSite::start_with(SystemOptions { workers: 2, ..Default::default() });
    let page = open(&site).await;
    let boxes = "document.querySelectorAll('[data-testid=worker-box]').length";
    let height = "return document.querySelector('[data-testid=system]').offsetHeight";
    page.wait_until("both workers have a box", &format!("{boxes} == 2")).await;
    let before = page.execute(height).await;
    site.workers[1].stop().expect("a worker should stop");
    page.wait_until("one worker has a box", &format!("{boxes} == 1")).await;
    site.workers[0].stop().expect("a worker should stop");
    page.wait_for_text("no-worker", "no worker alive").await;
    assert_eq!(page.execute(boxes.replacen("document", "return document", 1).as_str()).await, 0);
    assert_eq!(page.execute(height).await, before);
    site.workers[1].start().expect("a worker should start");
    page.wait_until("the worker has a box again", &format!("{boxes} == 1")).await;
    assert_eq!(page.execute(height).await, before);
    submit_and_wait(&page, "6548").await;
    let worker = text(&page, "worker").await.replace("by worker ", "");
    assert_eq!(page.texts("worker-box").await, [format!("worker {worker}")]);
}

#[tokio::test]
async fn the_diagram_is_there_as_text() {
    let site = Site::shared();
    let page = open(&site).await;
    let topology = text(&page, "topology").await;
    let port = site.url().rsplit(':').next().unwrap_or_default().to_owned();
    for fact in [
        "api Image: usamaa96/server. Networks: front, back. Sends: request to Postgres, job to \
         Redis, event to edge.",
        &format!("Published port: {port} → "),
        "Volume: postgres:/var/lib/postgresql/data.",
        "Sends: event to Redis.",
    ] {
        assert!(topology.contains(fact), "{fact}: {topology}");
    }
}

#[tokio::test]
async fn boxes_are_links_for_mouse_and_keyboard() {
    let site = Site::shared();
    let page = open(&site).await;
    page.execute("document.querySelector('.part[data-part=edge]').focus()").await;
    page.press(TAB).await;
    let part = "return document.activeElement.dataset.part";
    assert_eq!(page.execute(part).await, "client", "links are in the order of the drawing");
    page.press(ENTER).await;
    let is_chosen = "location.search == '?part=client'
        && document.querySelector('[data-part=client]').getAttribute('aria-current') == 'true'";
    page.wait_until("the box is chosen", is_chosen).await;
    page.back().await;
    page.wait_until("no box is chosen", "!document.querySelector('.part[aria-current]')").await;
}

#[tokio::test]
async fn on_a_phone_a_submission_shows_the_whole_diagram() {
    let site = Site::shared();
    let page = open(&site).await;
    page.emulate_touch().await;
    let is_visible = "(() => {
        const { top, bottom } = document.querySelector('.diagram').getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
    })()";
    for (index, window) in (6_550..).zip(PHONES) {
        page.resize(window).await;
        page.execute("scrollTo(0, 0)").await;
        page.submit(&index.to_string()).await;
        page.wait_until(&format!("the diagram is visible on {window:?}"), is_visible).await;
        assert_eq!(page.execute("return document.activeElement.id").await, "index");
        let lowest = "return Math.min(...[...document.querySelectorAll('.part')]
            .map(part => part.getBoundingClientRect().height))";
        let lowest = page.execute(lowest).await.as_f64();
        assert!(lowest.is_some_and(|height| height >= 44.0), "{window:?}: {lowest:?}");
        page.wait_until_accepted().await;
        page.wait_until_calculated().await;
        page.click("replay-next").await;
        page.wait_for_text("replay-progress", "Step 1 of 9").await;
        let is_beside = "document.querySelector('.part.lit').getBoundingClientRect().top >= 0
            && document.querySelector('.diagram').getBoundingClientRect().top > -1
            && document.querySelector('[data-testid=replay-text]').getBoundingClientRect().top
                < innerHeight";
        page.wait_until(&format!("diagram and step are visible on {window:?}"), is_beside).await;
    }
    page.resize(DESKTOP).await;
}
