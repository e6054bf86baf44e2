//! Starts the simulators and the demo's application server.
//!
//! Owns the command line and the `ready` line. Invariant: the line is printed
//! only when every address in it accepts connections.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use kefu_simulators::app::{self, AppConfig, GatewayUrl};
use kefu_simulators::{Handle, Settings, aikefu, jiaxin, plain, qiyu, xiaoneng, zhichi};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Simulators of customer-service vendors, for tests and the demo.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Start the 智齿 simulator here; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    zhichi: Option<SocketAddr>,
    /// Start the 佳信 simulator here
    #[arg(long, value_name = "ADDR")]
    jiaxin: Option<SocketAddr>,
    /// Start the 小能 simulator here
    #[arg(long, value_name = "ADDR")]
    xiaoneng: Option<SocketAddr>,
    /// Start the 七鱼 simulator here
    #[arg(long, value_name = "ADDR")]
    qiyu: Option<SocketAddr>,
    /// Start the 爱客服 simulator here
    #[arg(long, value_name = "ADDR")]
    aikefu: Option<SocketAddr>,
    /// Start the simulator of a vendor that speaks SDP/1 and nothing else here
    #[arg(long, value_name = "ADDR")]
    sdp: Option<SocketAddr>,
    /// Start the demo application here
    #[arg(long, value_name = "ADDR")]
    app: Option<SocketAddr>,
    /// 智齿: the appid of the token call
    #[arg(long, default_value = "demo-app")]
    zhichi_app_id: String,
    /// 智齿: the key that signs the token call
    #[arg(long, default_value = "demo-key")]
    zhichi_app_key: String,
    /// 智齿: where pushes go, secret path segment included
    #[arg(long, value_name = "URL")]
    zhichi_callback: Option<String>,
    /// 佳信: secrets (whsec_…); the first signs, all are accepted
    #[arg(long, value_name = "SECRET", default_values_t = jiaxin::Config::default().secrets)]
    jiaxin_secret: Vec<String>,
    /// 佳信: orgName
    #[arg(long, default_value = "demo")]
    jiaxin_org: String,
    /// 佳信: appName
    #[arg(long, default_value = "kefu")]
    jiaxin_app: String,
    /// 佳信: where events go
    #[arg(long, value_name = "URL")]
    jiaxin_callback: Option<String>,
    /// 小能: secrets (whsec_…); the first signs, all are accepted
    #[arg(long, value_name = "SECRET", default_values_t = xiaoneng::Config::default().secrets)]
    xiaoneng_secret: Vec<String>,
    /// 小能: siteid
    #[arg(long, default_value = "kf_9999")]
    xiaoneng_site: String,
    /// 小能: where events go
    #[arg(long, value_name = "URL")]
    xiaoneng_callback: Option<String>,
    /// 七鱼: appKey
    #[arg(long, default_value = "demo-app-key")]
    qiyu_app_key: String,
    /// 七鱼: appSecret
    #[arg(long, default_value = "demo-app-secret")]
    qiyu_app_secret: String,
    /// 七鱼: where events go
    #[arg(long, value_name = "URL")]
    qiyu_callback: Option<String>,
    /// 爱客服: id of the public account
    #[arg(long, default_value = "kefu")]
    aikefu_account_id: String,
    /// 爱客服: app key
    #[arg(long, default_value = "demo-key")]
    aikefu_app_key: String,
    /// 爱客服: app secret
    #[arg(long, default_value = "demo-secret")]
    aikefu_app_secret: String,
    /// 爱客服: the gateway's callback address, in front of /message/send.json
    #[arg(long, value_name = "URL")]
    aikefu_callback: Option<String>,
    /// SDP/1: secrets (whsec_…); the first signs, all are accepted
    #[arg(long, value_name = "SECRET", default_values_t = plain::Config::default().secrets)]
    sdp_secret: Vec<String>,
    /// SDP/1: the tenant's name
    #[arg(long, default_value = "demo")]
    sdp_account: String,
    /// SDP/1: where events go
    #[arg(long, value_name = "URL")]
    sdp_callback: Option<String>,
    /// Settings of every vendor, as a JSON merge patch of `GET /control`'s
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// The gateway that the demo application uses; may be told later
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The demo application's key at the gateway
    #[arg(long, default_value = "demo")]
    app_key: String,
    /// The demo application's secret at the gateway
    #[arg(long, default_value = "demo-secret-demo-secret-demo-secret")]
    app_secret: String,
    /// The desk that the demo page opens
    #[arg(long, default_value = "support")]
    desk: String,
    /// Exit when standard input is closed
    #[arg(long)]
    exit_with_stdin: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(run(arguments))
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // Installed before anything is announced: a signal right after `ready` counts.
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut ready = json!({"event": "ready"});
    let handles = start_vendors(&arguments, &mut ready).await?;
    let mut application = None;
    if let Some(listen) = arguments.wanted(arguments.app) {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listening on {listen}"))?;
        ready["app"] = json!(format!("http://{}", listener.local_addr()?));
        let gateway = match &arguments.gateway {
            Some(url) => GatewayUrl::known(url)?,
            None => GatewayUrl::default(),
        };
        let config = AppConfig {
            gateway,
            app_key: arguments.app_key,
            app_secret: arguments.app_secret,
            desk: arguments.desk,
        };
        application = Some(tokio::spawn(app::serve(listener, config)));
    }
    announce(&ready)?;

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed(), if arguments.exit_with_stdin => {}
    }
    if let Some(application) = application {
        application.abort();
    }
    drop(handles);
    Ok(())
}

/// Starts the simulators that were named, or all of them, and says where.
async fn start_vendors(arguments: &Arguments, ready: &mut Value) -> anyhow::Result<Vec<Handle>> {
    let patch: Value =
        serde_json::from_str(&arguments.settings).context("--settings is no JSON")?;
    let settings = Settings::default()
        .patched(&patch)
        .map_err(anyhow::Error::msg)
        .context("--settings")?;
    let mut handles = Vec::new();
    let mut keep = |name: &str, handle: Handle| {
        ready[name] = json!(handle.url);
        handles.push(handle);
    };
    if let Some(listen) = arguments.wanted(arguments.zhichi) {
        let config = zhichi::Config {
            app_id: arguments.zhichi_app_id.clone(),
            app_key: arguments.zhichi_app_key.clone(),
            callback: arguments.zhichi_callback.clone(),
            settings: settings.clone(),
        };
        keep("zhichi", zhichi::start(listen, config).await?);
    }
    if let Some(listen) = arguments.wanted(arguments.jiaxin) {
        let config = jiaxin::Config {
            secrets: arguments.jiaxin_secret.clone(),
            org: arguments.jiaxin_org.clone(),
            app: arguments.jiaxin_app.clone(),
            callback: arguments.jiaxin_callback.clone(),
            settings: settings.clone(),
        };
        keep("jiaxin", jiaxin::start(listen, config).await?);
    }
    if let Some(listen) = arguments.wanted(arguments.xiaoneng) {
        let config = xiaoneng::Config {
            secrets: arguments.xiaoneng_secret.clone(),
            site: arguments.xiaoneng_site.clone(),
            callback: arguments.xiaoneng_callback.clone(),
            settings: settings.clone(),
        };
        keep("xiaoneng", xiaoneng::start(listen, config).await?);
    }
    if let Some(listen) = arguments.wanted(arguments.qiyu) {
        let config = qiyu::Config {
            app_key: arguments.qiyu_app_key.clone(),
            app_secret: arguments.qiyu_app_secret.clone(),
            callback: arguments.qiyu_callback.clone(),
            settings: settings.clone(),
        };
        keep("qiyu", qiyu::start(listen, config).await?);
    }
    if let Some(listen) = arguments.wanted(arguments.aikefu) {
        let config = aikefu::Config {
            account_id: arguments.aikefu_account_id.clone(),
            app_key: arguments.aikefu_app_key.clone(),
            app_secret: arguments.aikefu_app_secret.clone(),
            callback: arguments.aikefu_callback.clone(),
            settings: settings.clone(),
        };
        keep("aikefu", aikefu::start(listen, config).await?);
    }
    if let Some(listen) = arguments.wanted(arguments.sdp) {
        let config = plain::Config {
            secrets: arguments.sdp_secret.clone(),
            account: arguments.sdp_account.clone(),
            callback: arguments.sdp_callback.clone(),
            settings,
        };
        keep("sdp", plain::start(listen, config).await?);
    }
    Ok(handles)
}

impl Arguments {
    /// Where one of them is to start: as it was named, or anywhere when none was.
    fn wanted(&self, named: Option<SocketAddr>) -> Option<SocketAddr> {
        let all = [
            self.zhichi,
            self.jiaxin,
            self.xiaoneng,
            self.qiyu,
            self.aikefu,
            self.sdp,
            self.app,
        ];
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        named.or_else(|| all.iter().all(Option::is_none).then_some(any))
    }
}

fn announce(ready: &Value) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}").context("printing the ready line")?;
    stdout.flush().context("printing the ready line")
}

/// Waits on a thread of its own: a blocked read must not hold up the shutdown.
async fn stdin_closed() {
    let (done, closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while matches!(std::io::stdin().read(&mut buffer), Ok(read) if read > 0) {}
        let _ = done.send(());
    });
    let _ = closed.await;
}
