//! The HTTP client of one model server: its address, its proxy, and what its errors mean.

use std::error::Error as _;
use std::sync::Once;

use reqwest::{NoProxy, Proxy, Url};

use super::Limits;
use crate::api::fault::{Fault, FaultKind};

/// Where a model server is and how it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The address the dialect's paths are put behind, `https://api.openai.com/v1`.
    pub base_url: String,
    /// A proxy's address, or `none`. By default `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say it, and
    /// servers on this machine are reached directly.
    pub proxy: Option<String>,
}

pub(super) fn client(route: &Route, limits: Limits) -> Result<(reqwest::Client, String), Fault> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Whoever was first has installed one; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let url = address(&route.base_url)?;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("orchflow/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        // A redirect would carry the key to wherever it leads.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    if url.scheme() == "http" {
        // Servers without encryption work also where no certificates are installed.
        builder = builder.tls_certs_only([]);
    }
    builder = match route.proxy.as_deref() {
        None if is_here(&url) => builder.no_proxy(),
        None => builder,
        Some("none") => builder.no_proxy(),
        Some(proxy) => {
            let proxy = Proxy::all(proxy).map_err(|error| {
                setting("api.proxy", format!("the proxy {proxy:?} makes no sense ({error})"))
            })?;
            builder.no_proxy().proxy(proxy.no_proxy(NoProxy::from_env()))
        }
    };
    let client = builder.build().map_err(|error| {
        let hint = "install your system's CA certificates (ca-certificates), or name them in SSL_CERT_FILE";
        Fault::new(FaultKind::Unreachable, format!("no connection can be prepared: {}", causes(&error)), hint)
    })?;
    Ok((client, route.base_url.trim_end_matches('/').to_owned()))
}

fn setting(name: &str, message: String) -> Fault {
    Fault::new(FaultKind::Rejected, message, format!("correct `{name}` in the agent's file"))
}

fn address(base_url: &str) -> Result<Url, Fault> {
    let wrong = |why: &str| {
        setting("api.base_url", format!("the address {base_url:?} {why}; one is https://api.example.com/v1"))
    };
    let url = Url::parse(base_url).map_err(|error| wrong(&format!("makes no sense ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setting(
            "api.base_url",
            "the address holds a name or password; keys go in `api.key`".into(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    Ok(url)
}

/// Tells whether a server is on this machine.
fn is_here(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Says what a failed request means.
pub(super) fn explain(error: &reqwest::Error, base_url: &str) -> Fault {
    let why = causes(error);
    if error.is_timeout() {
        return Fault::new(
            FaultKind::TimedOut,
            format!("no connection to {base_url} came about in time"),
            "check the network and `api.base_url`; a proxy is taken from HTTPS_PROXY and NO_PROXY",
        );
    }
    if error.is_connect() {
        let is_local = Url::parse(base_url).is_ok_and(|url| is_here(&url));
        let hint = if why.contains("certificate") || why.contains("UnknownIssuer") {
            "is there a proxy that opens encrypted connections? Name its certificate in SSL_CERT_FILE"
        } else if is_local {
            "start the server (for Ollama: `ollama serve`), or correct `api.base_url` in the agent's file"
        } else {
            "check the network and `api.base_url`; a proxy is taken from HTTPS_PROXY and NO_PROXY"
        };
        return Fault::new(FaultKind::Unreachable, format!("no connection to {base_url}: {why}"), hint);
    }
    if error.is_builder() {
        return setting("api.headers", format!("the request cannot be written: {why}"));
    }
    if error.is_body() || error.is_decode() {
        return Fault::cut_short(format!(
            "the connection to {base_url} broke in the middle of the answer: {why}"
        ));
    }
    Fault::new(
        FaultKind::Unreachable,
        format!("{base_url} could not be asked: {why}"),
        "check that a model server answers at `api.base_url` of the agent's file",
    )
}

/// Puts the innermost causes of an error into words; the outer ones only repeat the address.
fn causes(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if words.last() != Some(&said) {
            words.push(said);
        }
        cause = error.source();
    }
    if words.is_empty() {
        return error.to_string();
    }
    let skip = words.len().saturating_sub(2);
    words.split_off(skip).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn addresses_that_cannot_be_meant_are_named() {
        let second = Duration::from_secs(1);
        let limits = Limits { connect: second, idle: second, whole: second };
        let try_it = |base_url: &str, proxy: Option<&str>| {
            let route = Route { base_url: base_url.into(), proxy: proxy.map(str::to_owned) };
            client(&route, limits).map(|(_, url)| url)
        };
        assert_eq!(try_it("http://127.0.0.1:1/v1/", None).unwrap(), "http://127.0.0.1:1/v1");
        assert!(try_it("http://10.0.0.7/v1", Some("none")).is_ok());
        for (url, proxy, part) in [
            ("", None, "api.base_url"),
            ("api.openai.com/v1", None, "makes no sense"),
            ("ftp://x/v1", None, "neither http nor https"),
            ("https://user:pw@x/v1", None, "keys go in `api.key`"),
            ("https://x/v1?key=1", None, "query"),
            ("http://x/v1", Some("http://"), "api.proxy"),
        ] {
            let fault = try_it(url, proxy).unwrap_err().to_string();
            assert!(fault.contains(part) && !fault.contains("pw"), "{url}: {fault}");
        }
    }
}
