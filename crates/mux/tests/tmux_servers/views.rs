//! Views as panes of real tmux servers, of each version that is there.

use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::server::{Server, next, program, programs, reasons, request, signal, until, views};
use orchflow_mux::backend::layout::Layout;
use orchflow_mux::backend::tmux::Tmux;
use orchflow_mux::backend::{BackendError, Opened, PaneId, ViewEvent, ViewId};
use rustix::process::Signal;

#[tokio::test]
async fn three_views_stand_beside_the_editor_and_the_focus_stays() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let backend = server.backend().await;
        let opened = views(&backend.open_many(&[request("one"), request("two"), request("three")]).await);
        assert_eq!(
            opened.iter().map(|view| view.pane).collect::<Vec<_>>(),
            [PaneId(1), PaneId(2), PaneId(3)]
        );
        assert!(opened.iter().all(|view| view.server_pid == server.pid));

        let places = server.run([
            "list-panes",
            "-F",
            "#{pane_id} #{pane_width}x#{pane_height}@#{pane_left},#{pane_top} #{pane_active}",
        ]);
        let expected = ["%0 100x50@0,0 1", "%1 99x25@101,0 0", "%2 49x24@101,26 0", "%3 49x24@151,26 0"];
        assert_eq!(places.lines().collect::<Vec<_>>(), expected);

        let listed = backend.list().await.unwrap();
        let found: Vec<_> = listed
            .iter()
            .map(|view| (view.id, view.agent.as_str(), view.title.as_str(), view.active))
            .collect();
        let expected = [
            (opened[0], "one", "title of one", false),
            (opened[1], "two", "title of two", false),
            (opened[2], "three", "title of three", false),
        ];
        assert_eq!(found, expected);
        assert_eq!(server.run(["list-clients"]), "", "no client stays");
        assert_eq!(
            server.ask(server.editor, "#{session_attached} #{window_width}x#{window_height}"),
            "0 200x50"
        );
    }
}

#[tokio::test]
async fn a_server_is_spoken_to_with_its_own_version() {
    let programs = programs();
    for (program, other) in programs.iter().zip(programs.iter().rev()) {
        let server = Server::start(program, 200, 50);
        let mut options = server.options();
        options.program.clone_from(other);
        let backend = Tmux::new(options).await.unwrap();
        views(&backend.open_many(&[request("a")]).await);
    }
}

#[tokio::test]
async fn a_fifth_view_is_detached_and_later_ones_share_the_room() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        server.run(["set-option", "-g", "pane-base-index", "3"]);
        let right = server.run([
            "split-window",
            "-d",
            "-h",
            "-l",
            "30",
            "-P",
            "-F",
            "#{pane_id}",
            "--",
            "sleep",
            "1000",
        ]);
        let backend = server.backend_with(Layout::Stacked).await;
        views(&backend.open_many(&[request("a"), request("b")]).await);
        let opened = backend.open_many(&[request("c"), request("d"), request("e")]).await;
        views(&opened[..2]);
        assert_eq!(
            reasons(&opened[2..]),
            ["4 views stand beside the editor, and that is the most there may be"]
        );
        // The editor had 169 columns, for the user's own pane keeps its 30.
        let widths = server.run(["list-panes", "-F", "#{pane_id} #{pane_width}x#{pane_height}"]);
        let expected = ["%0 100x50", "%2 68x12", "%5 68x11", "%3 68x12", "%4 68x12", "%1 30x50"];
        let (mut widths, mut expected) = (widths.lines().collect::<Vec<_>>(), expected.to_vec());
        widths.sort_unstable();
        expected.sort_unstable();
        assert_eq!((widths, right.as_str()), (expected, "%1"));
    }
}

#[tokio::test]
async fn what_has_no_room_is_detached_with_the_reason() {
    for program in programs() {
        let server = Server::start(&program, 120, 40);
        let backend = server.backend().await;
        let opened = backend.open_many(&[request("a")]).await;
        let narrow = "the editor's pane is 120 columns wide; 141 let it keep 100 beside a view";
        assert_eq!(reasons(&opened), [narrow]);
        let opened = server.backend_with(Layout::None).await.open_many(&[request("a")]).await;
        assert_eq!(reasons(&opened), ["the layout is `none`"]);
        assert_eq!(server.run(["list-panes", "-a", "-F", "#{pane_id}"]), "%0");
    }
}

#[tokio::test]
async fn a_zoomed_window_stays_zoomed() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let backend = server.backend().await;
        let first = views(&backend.open_many(&[request("a")]).await);
        server.run(["resize-pane", "-Z", "-t", &server.editor.to_string()]);
        let opened = backend.open_many(&[request("b"), request("c")]).await;
        let zoomed = "the window is zoomed, and a new pane would end the zoom";
        assert_eq!(reasons(&opened), [zoomed, zoomed]);
        assert_eq!(server.ask(server.editor, "#{window_zoomed_flag} #{pane_active}"), "1 1");

        backend.focus(&first[0]).await.unwrap();
        assert_eq!(server.ask(first[0].pane, "#{window_zoomed_flag} #{pane_active}"), "1 1");
    }
}

#[tokio::test]
async fn views_that_close_are_told_of_once() {
    for tmux in programs() {
        let server = Server::start(&tmux, 200, 50);
        let gate = server.folder.path().join("gate");
        let wait = format!("until test -e '{}'; do read -r -t 1 _; done", gate.display());
        let leaver = program("leaver", &["bash", "-c", &wait]);
        let backend = server.backend().await;
        let mut events = backend.events().unwrap();
        let opened = views(&backend.open_many(&[request("killed"), request("closed"), leaver]).await);

        server.run(["kill-pane", "-t", &opened[0].pane.to_string()]);
        assert_eq!(next("an event", events.recv()).await, ViewEvent::ViewClosed(opened[0]));
        backend.close(&opened[1]).await.unwrap();
        assert_eq!(next("an event", events.recv()).await, ViewEvent::ViewClosed(opened[1]));
        // It looks once a second.
        std::fs::write(&gate, "").unwrap();
        assert_eq!(next("an event", events.recv()).await, ViewEvent::ViewClosed(opened[2]));

        backend.close(&opened[0]).await.unwrap();
        assert!(!backend.alive(&opened[0]).await.unwrap());
        assert!(matches!(backend.focus(&opened[0]).await, Err(BackendError::Stale { .. })));
        assert!(matches!(backend.rename(&opened[0], "x").await, Err(BackendError::Stale { .. })));
        assert!(events.try_recv().is_err());
    }
}

/// Takes events until each view has been told of; they must be told of once, the server at the end.
async fn all_gone(
    server: u32,
    mut expected: Vec<ViewId>,
    events: &mut tokio::sync::mpsc::UnboundedReceiver<ViewEvent>,
) {
    let mut told = Vec::new();
    loop {
        match next("an event", events.recv()).await {
            ViewEvent::ViewClosed(view) => told.push(view),
            ViewEvent::ServerGone { server_pid, views } => {
                assert_eq!(server_pid, server);
                told.extend(views);
                break;
            }
        }
    }
    told.sort_by_key(|view| view.pane);
    expected.sort_by_key(|view| view.pane);
    assert_eq!(told, expected);
    assert!(events.try_recv().is_err(), "the server ends once");
}

#[tokio::test]
async fn a_server_that_ends_takes_all_views_with_it() {
    for (program, killed) in
        programs().into_iter().flat_map(|program| [(program.clone(), false), (program, true)])
    {
        let server = Server::start(&program, 200, 50);
        let backend = server.backend().await;
        let mut events = backend.events().unwrap();
        let opened = views(&backend.open_many(&[request("a"), request("b")]).await);
        if killed {
            assert!(signal(server.pid, Signal::KILL));
        } else {
            server.run(["kill-server"]);
        }
        all_gone(server.pid, opened.clone(), &mut events).await;

        assert_eq!(backend.list().await.unwrap(), []);
        assert!(!backend.alive(&opened[0]).await.unwrap());
        backend.close(&opened[0]).await.unwrap();
        let message = &reasons(&backend.open_many(&[request("c")]).await)[0];
        assert!(message.starts_with("no tmux server answers at "), "{message}");
    }
}

#[tokio::test]
async fn a_view_the_user_carries_elsewhere_is_still_known() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let backend = server.backend().await;
        let mut events = backend.events().unwrap();
        let view = views(&backend.open_many(&[request("a")]).await)[0];
        let pane = view.pane.to_string();
        server.run(["new-session", "-d", "-s", "other", "--", "sleep", "1000"]);
        server.run(["join-pane", "-d", "-s", &pane, "-t", "other:"]);
        assert!(backend.alive(&view).await.unwrap());
        backend.focus(&view).await.unwrap();
        assert_eq!(server.ask(view.pane, "#{session_name} #{pane_active}"), "other 1");
        assert_eq!(backend.list().await.unwrap()[0].id, view);
        server.run(["kill-pane", "-t", &pane]);
        assert_eq!(next("an event", events.recv()).await, ViewEvent::ViewClosed(view));
    }
}

#[tokio::test]
async fn another_program_in_the_same_pane_is_not_the_view() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let backend = server.backend().await;
        let mut events = backend.events().unwrap();
        let view = views(&backend.open_many(&[request("a")]).await)[0];
        server.run(["respawn-pane", "-k", "-t", &view.pane.to_string(), "--", "sleep", "1001"]);
        assert_eq!(next("an event", events.recv()).await, ViewEvent::ViewClosed(view));
        assert!(!backend.alive(&view).await.unwrap());
        assert!(matches!(backend.focus(&view).await, Err(BackendError::Stale { .. })));
        backend.close(&view).await.unwrap();
        assert_eq!(server.ask(view.pane, "#{pane_dead}"), "0", "the user's program is left alone");
    }
}

#[tokio::test]
async fn a_later_host_finds_and_watches_its_views_and_no_others() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let view = views(&server.backend().await.open_many(&[request("claude 2")]).await)[0];
        let mut options = server.options();
        options.owner = "someone else".into();
        let foreign = Tmux::new(options).await.unwrap();
        views(&foreign.open_many(&[request("theirs")]).await);

        let later = server.backend().await;
        let mut events = later.events().unwrap();
        let listed = later.list().await.unwrap();
        let found: Vec<_> = listed.iter().map(|view| (view.id, view.agent.as_str())).collect();
        assert_eq!(found, [(view, "claude 2")]);
        server.run(["kill-pane", "-t", &view.pane.to_string()]);
        assert_eq!(next("an event", events.recv()).await, ViewEvent::ViewClosed(view));
    }
}

#[tokio::test]
async fn hostile_text_arrives_as_it_is_and_does_nothing() {
    for tmux in programs() {
        let server = Server::start(&tmux, 200, 50);
        let record = server.folder.path().join("words");
        let canary = server.folder.path().join("canary");
        let hostile = format!(
            "#(touch '{0}') $(touch '{0}') `touch '{0}'` #{{pane_id}} %H #[x ##[y ~ $HOME \"'\\ #",
            canary.display()
        );
        let folder = server.folder.path().join(hostile.replace('/', "∕"));
        std::fs::create_dir(&folder).unwrap();
        let script = format!(
            "printf '%s\\0' \"$PWD\" \"$@\" >'{0}.part'; mv '{0}.part' '{0}'; exec sleep 1000",
            record.display()
        );
        let words: Vec<&[u8]> = vec![
            hostile.as_bytes(),
            b"",
            b";",
            b"a;",
            b"a\\;",
            b"-t",
            b"--",
            b"{",
            b"}",
            b"%end 1 2 3",
            b"\n",
            b"a\nb",
            b"\xff\xfe",
            b"\x1b[31m",
            b"~",
            b"$HOME",
            b"#",
        ];
        let mut view = program(&format!("{hostile}\n%end;"), &["sh", "-c", &script, "sh"]);
        view.argv.extend(words.iter().map(|word| std::ffi::OsString::from_vec(word.to_vec())));
        view.cwd.clone_from(&folder);
        view.title = format!("{}\n\x1b]0;x\x07 ä;", hostile.replace('\\', ""));

        let backend = server.backend().await;
        let opened = views(&backend.open_many(&[view.clone()]).await);
        until("the program has written its words", || record.exists()).await;
        let written = std::fs::read(&record).unwrap();
        let mut written: Vec<&[u8]> = written.split(|byte| *byte == 0).collect();
        assert_eq!(written.pop(), Some(&b""[..]));
        assert_eq!(written.remove(0), folder.as_os_str().as_bytes());
        assert_eq!(written, words);

        let title =
            |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let listed = backend.list().await.unwrap();
        assert_eq!(listed[0].agent, view.agent);
        assert_eq!(listed[0].title, title(&view.title));
        for name in [";", "a;", "-x", "", "#{pane_id}", "%H%M"] {
            backend.rename(&opened[0], name).await.unwrap();
            assert_eq!(backend.list().await.unwrap()[0].title, name);
        }
        assert!(!canary.exists(), "nothing was run by a shell");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_opened_do_not_spoil_the_others() {
    for tmux in programs() {
        let server = Server::start(&tmux, 200, 50);
        let backend = server.backend().await;
        let requests = [
            program("empty", &[]),
            request("good"),
            program("nul", &["echo", "a\0b"]),
            program("odd", &["-x=y"]),
            program("long", &["echo", &"x".repeat(20_000)]),
            program("alone", &["yes"]),
        ];
        let opened = backend.open_many(&requests).await;
        views(&[opened[1].clone(), opened[5].clone()]);
        let expected = [
            "a view's program cannot be given to tmux: it is empty",
            "an argument cannot be given to tmux: it holds a NUL byte",
            "a view's program cannot be given to tmux: a program without arguments must not begin with `-` or hold a `=`",
            "a command cannot be given to tmux: it is too long",
        ];
        assert_eq!(reasons(&[&opened[..1], &opened[2..5]].concat()), expected);
    }
}

#[tokio::test]
async fn a_program_that_leaves_at_once_leaves_no_pane() {
    for tmux in programs() {
        let server = Server::start(&tmux, 200, 50);
        server.run(["set-option", "-g", "remain-on-exit", "on"]);
        let backend = server.backend().await;
        let mut events = backend.events().unwrap();
        let opened = backend
            .open_many(&[
                program("a", &["false", "x"]),
                request("b"),
                program("c", &["/nowhere/at/all", "x"]),
            ])
            .await;
        let stands = views(&opened[1..2])[0];
        // Programs that were not quick enough to be seen ending are told of as closed.
        let mut late: Vec<ViewId> = [&opened[0], &opened[2]].into_iter().filter_map(Opened::view).collect();
        for reason in reasons(&opened).iter().filter(|reason| !reason.starts_with("opened")) {
            assert!(reason.contains("ended at once"), "{reason}");
        }
        while !late.is_empty() {
            let ViewEvent::ViewClosed(view) = next("an event", events.recv()).await else {
                panic!("it lives")
            };
            late.retain(|one| *one != view);
        }
        let pane = stands.pane.to_string();
        until("only the editor and the view that stays are left", || {
            server.run(["list-panes", "-F", "#{pane_id}"]).lines().collect::<Vec<_>>() == ["%0", &pane]
        })
        .await;
    }
}

#[tokio::test]
async fn hooks_of_the_user_do_not_confuse_the_answers() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        server.run(["set-hook", "-g", "after-split-window", "display-message -p '%9 999'"]);
        server.run(["set-hook", "-g", "after-set-option", "kill-pane -t %99"]);
        let backend = server.backend().await;
        let opened = views(&backend.open_many(&[request("a"), request("b")]).await);
        let listed: Vec<_> = backend.list().await.unwrap().iter().map(|view| view.id).collect();
        assert_eq!(listed, opened);
    }
}
