//! Who is at the other end of a connection.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use orchflow_core::event::Actor;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_host::World;
use orchflow_host::api::Session;
use rmpv::Value;
use rustix::net::sockopt::socket_peercred;
use tokio::net::UnixStream;

/// The protocol of fronts.
pub const PROTOCOL: u64 = 1;

/// The process at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its process id.
    pub pid: i32,
}

impl Peer {
    /// Asks the system who connected; refuses other users.
    ///
    /// # Errors
    /// When the system does not say, or says somebody else.
    pub fn of(stream: &UnixStream) -> std::io::Result<Peer> {
        let credentials = socket_peercred(stream)?;
        if credentials.uid != rustix::process::getuid() {
            return Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        }
        Ok(Peer { pid: credentials.pid.as_raw_nonzero().get() })
    }
}

/// What a front says about itself in its first call.
pub struct Hello {
    /// Who asks.
    pub session: Session,
    /// Whether it is an editor.
    pub is_editor: bool,
    /// Its version.
    pub version: String,
}

/// Reads a front's first call and decides who it counts as: an agent when its process descends from an
/// agent's runner or carries an agent's token, else a person, or a script where nobody looks.
///
/// # Errors
/// Refused for another protocol, and when nobody can say who asks.
pub fn hello(world: &World, peer: Peer, params: &Value) -> Result<Hello, Refusal> {
    let field = |name: &str| {
        params.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    };
    let protocol = field("protocol").and_then(Value::as_u64);
    if protocol != Some(PROTOCOL) {
        let theirs = protocol.map_or("none".to_owned(), |number| number.to_string());
        return Err(Refusal::new(
            Code::Protocol,
            format!("this host speaks protocol {PROTOCOL}, the front {theirs}"),
        )
        .hint("use one version of orchflow for host and front; `orchflow host stop` ends the host"));
    }
    let environment: Vec<(OsString, OsString)> = field("env")
        .and_then(Value::as_map)
        .map(|entries| entries.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect())
        .unwrap_or_default();
    let user = environment
        .iter()
        .find(|(name, _)| name == "USER" || name == "LOGNAME")
        .map(|(_, value)| value.to_string_lossy().into_owned())
        .or_else(|| field("user").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let interactive = field("interactive").and_then(Value::as_bool).unwrap_or(false);
    let is_editor = field("client").and_then(Value::as_str) == Some("nvim");
    let agent =
        world.runners.agent_of(peer.pid).or_else(|| agent_by_token(world, field("agent"), field("token")));
    // A process that is gone cannot be told from one that wants to be; its connection may be another's now.
    if agent.is_none() && !std::path::Path::new(&format!("/proc/{}", peer.pid)).exists() {
        return Err(Refusal::new(
            Code::NotAllowed,
            "the process that connected is gone, so nobody can say who asks",
        )
        .hint("connect from the process that asks"));
    }
    let actor = match agent {
        Some(agent) => Actor::Agent { agent },
        None if interactive => Actor::Human { user },
        None => Actor::Script { user },
    };
    let folder =
        field("cwd").and_then(text).map_or_else(|| world.repository.worktree().to_path_buf(), PathBuf::from);
    let session = Session { actor, folder, environment: Arc::new(environment), editor: None };
    let version = field("version").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Hello { session, is_editor, version })
}

fn agent_by_token(world: &World, agent: Option<&Value>, token: Option<&Value>) -> Option<AgentKey> {
    let key: AgentKey = agent?.as_str()?.parse().ok()?;
    // A process that claims to be an agent is never more than that agent, whatever its token.
    let _ = world.check_token(&key, token.and_then(Value::as_str).unwrap_or_default());
    Some(key)
}

fn text(value: &Value) -> Option<OsString> {
    match value {
        Value::String(text) => Some(OsString::from_vec(text.as_bytes().to_vec())),
        Value::Binary(bytes) => Some(OsString::from_vec(bytes.clone())),
        _ => None,
    }
}
