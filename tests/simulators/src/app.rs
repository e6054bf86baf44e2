//! A small application server, as a user of the gateway would run one.
//!
//! Owns the demo page that embeds the chat widget, and the minting of visitor
//! tokens through the gateway's `/user/getToken.json`, signed with the app's
//! secret. It deliberately keeps no users and checks no log-in: whoever asks
//! for a visitor's token gets it, which is right for a demo and nowhere else.
//!
//! Invariant: the app's secret stays in this process; a page only ever sees
//! tokens.
//!
//! | Call | Answer |
//! |---|---|
//! | `GET /` | the page; `?visitor=&desk=&lang=&app_version=&platform=&open=&look=` choose what it shows; `look=own` restyles the form for a message left |
//! | `GET /token?visitor=&name=` | `{"token", "visitor"}` |
//! | `GET /config` | `{"gateway", "app_key", "desk"}` |
//! | `PUT /config` | `{"gateway": "http://…"}`: where the gateway is, once it runs |

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tokio::net::TcpListener;

/// Who the demo application is at the gateway, and where its visitors chat.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// Where the gateway is; may be told later, as the gateway starts later.
    pub gateway: GatewayUrl,
    /// The app's key at the gateway.
    pub app_key: String,
    /// The secret that signs token requests.
    pub app_secret: String,
    /// The desk that the page opens when its address names none.
    pub desk: String,
}

/// The gateway's public address, shared between whoever learns it and the
/// running application.
#[derive(Clone, Debug, Default)]
pub struct GatewayUrl(Arc<RwLock<Option<String>>>);

impl GatewayUrl {
    /// An address that is known from the start.
    pub fn known(url: &str) -> anyhow::Result<Self> {
        let gateway = Self::default();
        gateway.set(url)?;
        Ok(gateway)
    }

    /// Replaces the address; anything but a bare `http://` or `https://`
    /// origin is refused.
    pub fn set(&self, url: &str) -> anyhow::Result<()> {
        let url = url.trim_end_matches('/');
        let host = url.strip_prefix("http://").or(url.strip_prefix("https://"));
        let is_origin = host.is_some_and(|host| {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
        });
        ensure!(
            is_origin,
            "gateway {url:?} is not an origin such as http://127.0.0.1:8080"
        );
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
        Ok(())
    }

    /// The address, once somebody has told it.
    pub fn current(&self) -> Option<String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Serves the application until the future is dropped.
pub async fn serve(listener: TcpListener, config: AppConfig) -> anyhow::Result<()> {
    axum::serve(listener, router(config))
        .await
        .context("serving the demo application")
}

struct App {
    config: AppConfig,
    client: Client<HttpConnector, Full<Bytes>>,
}

fn router(config: AppConfig) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(|| async { asset("text/css", PAGE_CSS) }))
        .route(
            "/page.js",
            get(|| async { asset("text/javascript", PAGE_JS) }),
        )
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/token", get(token))
        .route("/config", get(show_config).put(change_config))
        .with_state(Arc::new(App { config, client }))
}

async fn page(State(app): State<Arc<App>>) -> Response {
    let gateway = app.config.gateway.current();
    // Without a gateway there is no widget to load, and the page says so.
    let (status, origin) = match &gateway {
        Some(origin) => (StatusCode::OK, origin.as_str()),
        None => (StatusCode::SERVICE_UNAVAILABLE, ""),
    };
    let html = PAGE_HTML
        .replace("{{gateway}}", &escape(origin))
        .replace("{{desk}}", &escape(&app.config.desk));
    // As strict as a careful application would be: the widget must live with it.
    let policy = format!(
        "default-src 'none'; script-src 'self' {origin}; style-src 'self'; connect-src 'self' {origin}; \
         img-src 'self' http: https: blob: data:; media-src http: https: blob:; base-uri 'none'; form-action 'none'"
    );
    let mut headers = HeaderMap::new();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, headers, Html(html)).into_response()
}

#[derive(Deserialize)]
struct TokenQuery {
    visitor: String,
    name: Option<String>,
}

async fn token(State(app): State<Arc<App>>, Query(query): Query<TokenQuery>) -> Response {
    if query.visitor.is_empty() || query.visitor.len() > 64 {
        return refusal(StatusCode::BAD_REQUEST, "visitor must have 1 to 64 bytes");
    }
    match mint(&app, &query).await {
        Ok(token) => Json(json!({ "token": token, "visitor": query.visitor })).into_response(),
        Err(error) => refusal(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    }
}

/// Asks the gateway for a visitor's token, the way RongCloud's server SDKs do.
async fn mint(app: &App, query: &TokenQuery) -> anyhow::Result<String> {
    let gateway = app
        .config
        .gateway
        .current()
        .context("the gateway's address is not known yet")?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (nonce, timestamp) = (now.subsec_nanos().to_string(), now.as_secs().to_string());
    let name = query.name.as_deref().unwrap_or(&query.visitor);
    let form = format!("userId={}&name={}", encode(&query.visitor), encode(name));
    let url = format!("{gateway}/user/getToken.json");
    let request = Request::post(&url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("App-Key", &app.config.app_key)
        .header(
            "Signature",
            signature(&app.config.app_secret, &nonce, &timestamp),
        )
        .header("Nonce", nonce)
        .header("Timestamp", timestamp)
        .body(Full::from(form))
        .with_context(|| format!("building the token request to {url}"))?;
    let response = tokio::time::timeout(TOKEN_TIMEOUT, app.client.request(request))
        .await
        .with_context(|| format!("no answer from {url} within {TOKEN_TIMEOUT:?}"))?
        .with_context(|| format!("asking {url} for a token"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await;
    let body = body
        .map_err(|error| anyhow::anyhow!("reading the answer of {url}: {error}"))?
        .to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer["token"].as_str() {
        Some(token) if answer["code"] == 200 => Ok(token.to_owned()),
        _ => bail!(
            "{url} answered {status} with code {} instead of a token",
            answer["code"]
        ),
    }
}

async fn show_config(State(app): State<Arc<App>>) -> Json<Value> {
    let AppConfig {
        gateway,
        app_key,
        desk,
        ..
    } = &app.config;
    Json(json!({ "gateway": gateway.current(), "app_key": app_key, "desk": desk }))
}

#[derive(Deserialize)]
struct ConfigChange {
    gateway: String,
}

async fn change_config(State(app): State<Arc<App>>, Json(change): Json<ConfigChange>) -> Response {
    match app.config.gateway.set(&change.gateway) {
        Ok(()) => show_config(State(app)).await.into_response(),
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Lower-case hex of SHA-1 over secret, nonce and timestamp.
fn signature(secret: &str, nonce: &str, timestamp: &str) -> String {
    let digest = Sha1::new()
        .chain_update(secret)
        .chain_update(nonce)
        .chain_update(timestamp)
        .finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(value: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(value, NON_ALPHANUMERIC)
}

/// Makes a value safe inside a quoted HTML attribute.
fn escape(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-store"),
        ],
        text,
    )
}

fn refusal(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "error": detail }))).into_response()
}

const PAGE_HTML: &str = include_str!("../assets/app/index.html");
const PAGE_CSS: &str = include_str!("../assets/app/page.css");
const PAGE_JS: &str = include_str!("../assets/app/page.js");
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn signature_is_sha1_of_secret_nonce_and_timestamp() {
        // printf '%s' 'app-secret' '14314' '1408706337' | sha1sum
        let expected = "ade680217f1b0f54ded6bb762d6de48ae36015b7";
        assert_eq!(signature("app-secret", "14314", "1408706337"), expected);
    }

    #[test]
    fn only_an_origin_is_taken_as_gateway() {
        for bad in [
            "",
            "127.0.0.1:80",
            "ftp://x",
            "http://",
            "http://x/path",
            "http://x\" onload=\"y",
            "http://a b",
        ] {
            assert!(GatewayUrl::known(bad).is_err(), "{bad:?} was taken");
        }
        let gateway = GatewayUrl::known("http://127.0.0.1:8080/").expect("an origin");
        assert_eq!(gateway.current().as_deref(), Some("http://127.0.0.1:8080"));
    }

    #[test]
    fn quoted_attribute_cannot_be_left() {
        assert_eq!(escape("\"><script>&"), "&quot;>&lt;script>&amp;");
    }

    #[tokio::test]
    async fn without_a_gateway_page_and_token_say_what_is_missing() {
        let address = started(GatewayUrl::default()).await;
        let (status, page) = ask(address, "GET", "/", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.contains(r#"data-gateway="""#), "{page}");
        let (status, answer) = ask(address, "GET", "/token?visitor=v1", "").await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(answer.contains("address is not known yet"), "{answer}");
    }

    #[tokio::test]
    async fn gateway_told_later_reaches_the_page() {
        let address = started(GatewayUrl::default()).await;
        let told = r#"{"gateway":"http://127.0.0.1:8080"}"#;
        assert_eq!(ask(address, "PUT", "/config", told).await.0, StatusCode::OK);
        let (status, page) = ask(address, "GET", "/", "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            page.contains(r#"src="http://127.0.0.1:8080/widget.js""#),
            "{page}"
        );
    }

    #[tokio::test]
    async fn bad_gateway_and_bad_visitor_are_refused() {
        let address = started(GatewayUrl::default()).await;
        let (status, answer) = ask(address, "PUT", "/config", r#"{"gateway":"nonsense"}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer.contains("nonsense"), "{answer}");
        for visitor in ["", &"v".repeat(65)] {
            let path = format!("/token?visitor={visitor}");
            assert_eq!(
                ask(address, "GET", &path, "").await.0,
                StatusCode::BAD_REQUEST
            );
        }
    }

    async fn started(gateway: GatewayUrl) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let config = AppConfig {
            gateway,
            app_key: "demo".to_owned(),
            app_secret: "app-secret".to_owned(),
            desk: "support".to_owned(),
        };
        tokio::spawn(serve(listener, config));
        address
    }

    async fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> (StatusCode, String) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{to}{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_owned()))
            .expect("a request");
        let response = client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}
