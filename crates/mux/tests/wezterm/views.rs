//! What is opened, found, focused, closed and noticed.

use orchflow_mux::backend::{BackendError, Opened, ViewEvent};
use tokio::time::timeout;

use crate::{DEADLINE, Scene, reasons, request, stacked, views};

#[tokio::test]
async fn up_to_four_stand_beside_the_editor_which_keeps_room_and_focus() {
    let scene = Scene::new(200, 50);
    let backend = scene.backend("key").await;
    let requests: Vec<_> = (1..=5).map(|number| scene.request(&format!("1/agent-{number}"))).collect();
    let opened = backend.open_many(&requests).await;
    assert_eq!(views(&opened).len(), 4, "{opened:?}");
    assert_eq!(reasons(&opened), ["4 views stand beside the editor, and that is the most there may be"]);
    let panes = scene.wezterm.panes();
    assert_eq!(panes.len(), 5);
    assert_eq!(panes[0]["size"]["cols"], 100, "the editor keeps its columns");
    assert_eq!(scene.wezterm.active(), 0, "the focus stays");
    // Two by two, each a quarter of the room.
    for pane in &panes[1..] {
        let (columns, rows) =
            (pane["size"]["cols"].as_u64().unwrap(), pane["size"]["rows"].as_u64().unwrap());
        assert!((48..=50).contains(&columns) && (24..=25).contains(&rows), "{pane}");
    }
    let listed = backend.list().await.unwrap();
    let mut agents: Vec<&str> = listed.iter().map(|view| view.agent.as_str()).collect();
    agents.sort_unstable();
    assert_eq!(agents, ["1/agent-1", "1/agent-2", "1/agent-3", "1/agent-4"]);
    for (view, request) in views(&opened).iter().zip(&requests) {
        let info = listed.iter().find(|info| info.id == *view).unwrap();
        assert_eq!(info.agent, request.agent, "each request got its own view");
    }
}

#[tokio::test]
async fn one_that_ends_is_told_of_once_and_without_asking() {
    let scene = Scene::new(200, 50);
    let backend = scene.backend("key").await;
    let mut events = backend.events().unwrap();
    let opened = views(&backend.open_many(&[scene.request("1/a"), scene.request("1/b")]).await);
    let asked = scene.wezterm.calls().len();
    scene.wezterm.ask(&["kill-pane", "--pane-id", &opened[0].pane.0.to_string()]);
    let told = timeout(DEADLINE, events.recv()).await.unwrap();
    assert_eq!(told, Some(ViewEvent::ViewClosed(opened[0])));
    assert_eq!(scene.wezterm.calls().len(), asked + 1, "only the test itself asked");
    assert!(!backend.alive(&opened[0]).await.unwrap() && backend.alive(&opened[1]).await.unwrap());

    // A wezterm that crashes takes its panes along; their programs may end before it does.
    scene.wezterm.signal(orchflow_testkit::Signal::KILL);
    let mut left = vec![opened[1]];
    let mut is_gone = false;
    while !is_gone || !left.is_empty() {
        match timeout(DEADLINE, events.recv()).await.unwrap() {
            Some(ViewEvent::ViewClosed(view)) => left.retain(|known| *known != view),
            Some(ViewEvent::ServerGone { server_pid, views }) => {
                assert_eq!(server_pid, scene.wezterm.pid());
                left.retain(|known| !views.contains(known));
                is_gone = true;
            }
            None => panic!("the channel ended"),
        }
    }
    assert!(backend.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_later_host_finds_its_own_views_again_and_no_others() {
    let scene = Scene::new(200, 50);
    let first = scene.backend("mine").await;
    let opened = views(&first.open_many(&[scene.request("7/claude")]).await);
    let other = scene.with(stacked(scene.options("other"))).await.unwrap();
    let others = views(&other.open_many(&[scene.request("7/claude")]).await);
    assert_eq!((opened.len(), others.len()), (1, 1));
    drop(first);
    let later = scene.backend("mine").await;
    let mut events = later.events().unwrap();
    let listed = later.list().await.unwrap();
    assert_eq!(
        listed.iter().map(|view| (view.id, view.agent.as_str())).collect::<Vec<_>>(),
        [(opened[0], "7/claude")]
    );
    later.close(&opened[0]).await.unwrap();
    assert_eq!(timeout(DEADLINE, events.recv()).await.unwrap(), Some(ViewEvent::ViewClosed(opened[0])));
    later.close(&opened[0]).await.unwrap();
    // Another's view is neither focused nor closed.
    assert!(matches!(later.focus(&others[0]).await, Err(BackendError::Stale { .. })));
    later.close(&others[0]).await.unwrap();
    assert!(other.alive(&others[0]).await.unwrap());
}

#[tokio::test]
async fn focus_moves_only_to_the_view_that_was_opened() {
    let scene = Scene::new(200, 50);
    let backend = scene.backend("key").await;
    let opened = views(&backend.open_many(&[scene.request("1/a")]).await);
    backend.focus(&opened[0]).await.unwrap();
    assert_eq!(scene.wezterm.active(), u64::from(opened[0].pane.0));
    backend.rename(&opened[0], "a\u{1b}]0;title").await.unwrap();
    let mut another = opened[0];
    another.pane_pid += 1;
    assert!(matches!(backend.focus(&another).await, Err(BackendError::Stale { .. })));
    assert!(matches!(backend.rename(&another, "x").await, Err(BackendError::Stale { .. })));
    let before = scene.wezterm.calls().len();
    backend.close(&another).await.unwrap();
    let calls = scene.wezterm.calls();
    assert!(calls[before..].iter().all(|call| call.contains("list")), "nothing is killed by number alone");
}

#[tokio::test]
async fn new_views_share_the_room_of_those_that_stand() {
    let scene = Scene::new(200, 50);
    let backend = scene.with(stacked(scene.options("key"))).await.unwrap();
    let one = views(&backend.open_many(&[scene.request("1/a")]).await);
    let two = views(&backend.open_many(&[scene.request("1/b")]).await);
    let panes = scene.wezterm.panes();
    let rows = |view: usize| panes[view]["size"]["rows"].as_u64().unwrap();
    assert_eq!((one.len(), two.len(), panes[0]["size"]["cols"].as_u64()), (1, 1, Some(100)));
    assert_eq!(rows(1) + rows(2) + 1, 50, "one below the other");
}

#[tokio::test]
async fn words_reach_the_program_as_they_are() {
    let scene = Scene::new(200, 50);
    let backend = scene.backend("key").await;
    let script = "printf '<%s>' \"$@\"; exec sleep 1000";
    let argv = ["sh", "-c", script, "x", "it's", "", "a b", "$HOME", "--", ";", "\u{1f600}"];
    let opened = backend.open_many(&[request("1/a b", &argv, scene.folder.path())]).await;
    let pane = views(&opened)[0].pane.0;
    orchflow_testkit::wait_for("the program printed its words", || {
        scene.wezterm.printed(pane.into()).contains("<it's><><a b><$HOME><--><;><\u{1f600}>")
    });
    assert_eq!(backend.list().await.unwrap()[0].agent, "1/a b");
    assert!(matches!(opened[0], Opened::View(_)));
}
