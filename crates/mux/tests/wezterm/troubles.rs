//! What is in the way, said in words.

use std::time::Duration;

use orchflow_mux::backend::PaneId;
use orchflow_mux::backend::wezterm::WeztermError;
use orchflow_testkit::{Signal, wait_for};

use crate::{Scene, reasons, request, views};

#[tokio::test]
async fn a_place_without_room_says_so() {
    let narrow = Scene::new(140, 50);
    let opened = narrow.backend("key").await.open_many(&[narrow.request("1/a")]).await;
    let why = "the editor's pane is 140 columns wide; 141 let it keep 100 beside a view";
    assert_eq!(reasons(&opened), [why]);
    assert_eq!(narrow.wezterm.panes().len(), 1);

    let zoomed = Scene::new(200, 50);
    zoomed.wezterm.ask(&["zoom-pane", "--pane-id", "0"]);
    let opened = zoomed.backend("key").await.open_many(&[zoomed.request("1/a")]).await;
    assert_eq!(reasons(&opened), ["the window is zoomed, and a new pane would end the zoom"]);
}

#[tokio::test]
async fn a_program_that_ends_at_once_leaves_no_pane() {
    let scene = Scene::new(200, 50);
    let backend = scene.backend("key").await;
    let folder = scene.folder.path();
    let requests = [
        request("1/a", &["/no/such/program", "x"], folder),
        scene.request("1/b"),
        request("1/c", &[], folder),
    ];
    let opened = backend.open_many(&requests).await;
    assert_eq!(views(&opened).len(), 1, "{opened:?}");
    assert_eq!(
        reasons(&opened),
        [
            "the view's program ended at once; run it in a terminal to see why",
            "a view's program cannot be given to wezterm: it is empty"
        ]
    );
    wait_for("no pane is left over", || scene.wezterm.panes().len() == 2);
    let odd = backend.open_many(&[request("1/d", &["/a=b/orchflow", "attach"], folder)]).await;
    assert!(reasons(&odd)[0].contains("must not begin with `-` or hold a `=`"), "{odd:?}");
    let odd = backend.open_many(&[request("1/d", &["x", "a\0b"], folder)]).await;
    assert!(reasons(&odd)[0].contains("NUL"), "{odd:?}");
}

#[tokio::test]
async fn an_old_version_is_named_as_such() {
    let scene = Scene::new(200, 50);
    let backend = scene.backend("key").await;
    scene.wezterm.grow_old();
    let opened = backend.open_many(&[scene.request("1/a")]).await;
    let why = "this wezterm is too old for panes of agents: its list of panes names no terminals (`tty_name`); \
               upgrade it, or show agents elsewhere: --view nvim";
    assert_eq!(reasons(&opened), [why]);
}

#[tokio::test]
async fn a_wezterm_that_hangs_or_is_gone_costs_no_more_than_its_limit() {
    let scene = Scene::new(200, 50);
    let mut options = scene.options("key");
    options.limit = Duration::from_millis(300);
    let backend = scene.with(options.clone()).await.unwrap();
    scene.wezterm.signal(Signal::STOP);
    let opened = backend.open_many(&[scene.request("1/a"), scene.request("1/b")]).await;
    let said = reasons(&opened);
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("did not answer `cli list` within 300ms"), "{said:?}");
    scene.wezterm.signal(Signal::CONT);

    scene.wezterm.signal(Signal::KILL);
    wait_for("its socket is dead", || {
        std::os::unix::net::UnixStream::connect(scene.wezterm.socket()).is_err()
    });
    let said = reasons(&backend.open_many(&[scene.request("1/a")]).await);
    assert!(
        said[0].starts_with("no wezterm answers at ") && said[0].contains("start the editor"),
        "{said:?}"
    );
    assert!(matches!(scene.with(options.clone()).await, Err(WeztermError::NoServer { .. })));

    options.place.socket = scene.folder.path().join("none");
    assert!(matches!(scene.with(options).await, Err(WeztermError::NoServer { .. })));
}

#[tokio::test]
async fn an_editor_or_a_program_that_is_not_there_is_named() {
    let scene = Scene::new(200, 50);
    let mut options = scene.options("key");
    options.place.pane = PaneId(99);
    let said = reasons(&scene.with(options).await.unwrap().open_many(&[scene.request("1/a")]).await);
    assert!(said[0].starts_with("wezterm has no pane 99 any more"), "{said:?}");
    let mut options = scene.options("key");
    options.program = "/no/such/wezterm".into();
    let said = reasons(&scene.with(options).await.unwrap().open_many(&[scene.request("1/a")]).await);
    assert!(said[0].contains("could not be started") && said[0].contains("put it on the PATH"), "{said:?}");
}
