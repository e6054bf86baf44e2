//! Commands on a running gateway: `providers`, `reloads`, `reload`,
//! `rollback`, `pause`, `resume`, `pushes`, `dead-letters`, `weights`,
//! `route explain`, `sessions`, `trail`, `shadow`, `migrate`.
//!
//! Owns their arguments and what is printed. Deliberately decides nothing: each
//! is one request to the admin API, and its answer is the result. Invariant:
//! the exit code is 0 only if what was asked for holds now.

mod client;
mod explain;
mod figures;
mod migrate;
mod print;
mod sessions;
mod shadow;
mod weights;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::{Context, bail};
use kefu_core::config::Admin;
use kefu_plugin_api::Secret;
use serde_json::{Value, json};

pub(super) use self::client::Client;
use super::{ConfigPath, print_line};
use crate::config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the providers of a running gateway.
    Providers(Gateway),
    /// List the last reloads of a running gateway.
    Reloads {
        #[command(flatten)]
        gateway: Gateway,
        /// How many, newest first.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
    },
    /// Have a running gateway read its files again; with a provider, bring that
    /// one up anew even if nothing has changed.
    Reload {
        #[command(flatten)]
        gateway: Gateway,
        provider: Option<String>,
    },
    /// Take a provider back to an earlier generation.
    Rollback {
        #[command(flatten)]
        gateway: Gateway,
        provider: String,
        /// Which, as `providers` lists them; the one before otherwise.
        #[arg(long, value_name = "N")]
        generation: Option<u64>,
    },
    /// Open no new sessions at a provider and send it nothing; what comes is
    /// accepted and waits.
    Pause {
        #[command(flatten)]
        gateway: Gateway,
        provider: String,
    },
    /// End a provider's pause or quarantine.
    Resume {
        #[command(flatten)]
        gateway: Gateway,
        provider: String,
    },
    /// List how it stands with the pushes to apps' own servers.
    Pushes(Gateway),
    /// What was given up: list it, or have it tried again.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// List the sessions of a running gateway, newest first.
    Sessions {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        wanted: Box<sessions::Wanted>,
    },
    /// Tell what became of each message of a session: accepted, stored, sent,
    /// answered. Never what was said.
    Trail {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        whose: sessions::Whose,
    },
    /// Show how visitors are shared out at a desk, or write new shares into the
    /// main file and bring them into force.
    Weights {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        wanted: weights::Wanted,
    },
    /// Tell what providers did at desks: openings, messages, answers, ratings.
    Figures {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        wanted: figures::Wanted,
    },
    /// Tell what another provider would have made of real sessions, for every
    /// route with a `shadow`.
    Shadow {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        question: shadow::Question,
    },
    /// Move a desk's visitors to another provider, a few first.
    Migrate {
        #[command(subcommand)]
        asked: Box<migrate::Asked>,
    },
    /// Ask a running gateway about its routes.
    #[command(subcommand)]
    Route(Route),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum DeadLetters {
    /// List what was given up, newest first.
    List {
        #[command(flatten)]
        gateway: Gateway,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Try dead letters again, after everything that waits.
    Replay {
        #[command(flatten)]
        gateway: Gateway,
        /// Which, as `list` shows them.
        #[arg(required = true, value_name = "ID")]
        letters: Vec<String>,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Route {
    /// Tell which provider a visitor would get at a desk, and why.
    Explain {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        question: Box<explain::Question>,
    },
}

/// Which gateway, and the form of the answer.
#[derive(Debug, clap::Args)]
pub(super) struct Gateway {
    #[command(flatten)]
    config: ConfigPath,
    /// Its admin listener, such as `http://127.0.0.1:9090`; otherwise that of
    /// the configuration.
    #[arg(long, value_name = "URL", env = "KEFU_ADMIN")]
    admin: Option<String>,
    /// Its admin token; otherwise that of the configuration.
    #[arg(long, env = "KEFU_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print the answer as one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Providers(gateway) => {
            let answer = gateway.client()?.get("/admin/v1/providers")?;
            gateway.show(&answer, print::providers)
        }
        Command::Reloads { gateway, limit } => {
            let path = format!("/admin/v1/reloads?limit={limit}");
            let answer = gateway.client()?.get(&path)?;
            gateway.show(&answer, print::reloads)
        }
        Command::Reload { gateway, provider } => {
            let path = match provider {
                Some(provider) => client::provider(&provider, "/reload"),
                None => "/admin/v1/reload".to_owned(),
            };
            gateway.report(&path, &json!({}))
        }
        Command::Rollback {
            gateway,
            provider,
            generation,
        } => {
            let body = json!({ "generation": generation });
            gateway.report(&client::provider(&provider, "/rollback"), &body)
        }
        Command::Pause { gateway, provider } => gateway.stand(&provider, "/pause"),
        Command::Resume { gateway, provider } => gateway.stand(&provider, "/resume"),
        Command::Pushes(gateway) => {
            let answer = gateway.client()?.get("/admin/v1/pushes")?;
            gateway.show(&answer, print::pushes)
        }
        Command::DeadLetters { command } => match command {
            DeadLetters::List { gateway, limit } => {
                let path = format!("/admin/v1/dead-letters?limit={limit}");
                let answer = gateway.client()?.get(&path)?;
                gateway.show(&answer, print::dead_letters)
            }
            DeadLetters::Replay { gateway, letters } => gateway.replay(&letters),
        },
        Command::Figures { gateway, wanted } => {
            let answer = gateway.client()?.get(&wanted.path())?;
            gateway.show(&answer, figures::print)
        }
        Command::Sessions { gateway, wanted } => {
            let answer = wanted.ask(&gateway.client()?)?;
            gateway.show(&answer, sessions::sessions)
        }
        Command::Trail { gateway, whose } => {
            let answer = whose.ask(&gateway.client()?)?;
            let words = whose.language();
            gateway.show(&answer, |out, answer| sessions::trail(out, answer, words))
        }
        Command::Weights { gateway, wanted } => gateway.weights(&wanted),
        Command::Shadow { gateway, question } => {
            let answer = gateway.client()?.get("/admin/v1/shadows")?;
            gateway.show(&answer, |out, answer| question.print(out, answer))
        }
        Command::Migrate { asked } => {
            let gateway = asked.gateway();
            let (answer, print) = asked.ask(&gateway.client()?)?;
            let words = asked.language();
            gateway.show(&answer, |out, answer| print(out, answer, words))
        }
        Command::Route(Route::Explain { gateway, question }) => {
            let answer = gateway.client()?.post(&question.path(), &question.body())?;
            gateway.show(&answer, explain::print)
        }
    }
}

impl Gateway {
    /// Gives a command that ends with a report.
    fn report(&self, path: &str, body: &Value) -> anyhow::Result<ExitCode> {
        let report = self.client()?.post(path, body)?;
        self.show(&report, print::report)?;
        Ok(verdict(&report))
    }

    /// Has dead letters tried again, one after the other; the first that is
    /// refused ends it.
    fn replay(&self, letters: &[String]) -> anyhow::Result<ExitCode> {
        let client = self.client()?;
        for letter in letters {
            let answer = client.post(&client::replay(letter), &json!({}))?;
            self.show(&answer, |out, answer| {
                let letters = [&answer["replayed"]];
                print::dead_letters(out, &json!({ "dead_letters": letters }))
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes weights, or shows them.
    fn weights(&self, wanted: &weights::Wanted) -> anyhow::Result<ExitCode> {
        let client = self.client()?;
        if let Some((path, body)) = wanted.request() {
            let report = client.put(&path, &body)?;
            self.show(&report, print::report)?;
            return Ok(verdict(&report));
        }
        let answer = client.get("/admin/v1/desks")?;
        self.show(wanted.find(&answer)?, weights::print)
    }

    /// Gives a command that ends with a provider's new state.
    fn stand(&self, provider: &str, command: &str) -> anyhow::Result<ExitCode> {
        let path = client::provider(provider, command);
        let entry = self.client()?.post(&path, &json!({}))?;
        self.show(&entry, |out, entry| {
            print::providers(out, &json!({"providers": [entry]}))
        })
    }

    fn show(
        &self,
        answer: &Value,
        print: impl Fn(&mut dyn Write, &Value) -> io::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        if self.json {
            print_line(answer)?;
        } else {
            print(&mut io::stdout().lock(), answer)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The configuration is read only for what the arguments leave open.
    fn client(&self) -> anyhow::Result<Client> {
        let given = self.token.as_deref().filter(|token| !token.is_empty());
        if let (Some(url), Some(token)) = (&self.admin, given) {
            return Client::new(url, Secret::new(token));
        }
        let path = &self.config.config;
        let loaded = config::load(path).with_context(|| {
            format!(
                "cannot learn from {} how to reach the gateway; --admin and --token say it too",
                path.display()
            )
        })?;
        let admin = &loaded.config.main.admin;
        let url = match &self.admin {
            Some(url) => url.clone(),
            None => address(admin)?,
        };
        Client::new(&url, given.map_or_else(|| admin.token.clone(), Secret::new))
    }
}

/// Whether all that was asked for is in force.
fn verdict(report: &Value) -> ExitCode {
    match report["outcome"].as_str() {
        Some("applied" | "unchanged") => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Where this machine reaches the listener.
pub(super) fn address(admin: &Admin) -> anyhow::Result<String> {
    let listen = admin.listen;
    if listen.port() == 0 {
        bail!(
            "admin.listen is {listen}, so that the port is another one at every start; give --admin"
        );
    }
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, listen.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_this_machine() {
        for (listen, url) in [
            ("127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("0.0.0.0:9090", "http://127.0.0.1:9090"),
            ("[::]:9090", "http://[::1]:9090"),
            ("192.0.2.7:80", "http://192.0.2.7:80"),
        ] {
            assert_eq!(address(&admin(listen)).unwrap(), url, "{listen}");
        }
    }

    #[test]
    fn a_port_that_is_chosen_at_the_start_must_be_said() {
        let error = address(&admin("127.0.0.1:0")).unwrap_err().to_string();
        assert!(error.contains("--admin"), "{error}");
    }

    #[test]
    fn a_script_learns_whether_everything_is_in_force() {
        for (outcome, expected) in [
            (json!("applied"), ExitCode::SUCCESS),
            (json!("unchanged"), ExitCode::SUCCESS),
            (json!("partly"), ExitCode::FAILURE),
            (json!("refused"), ExitCode::FAILURE),
            (json!("under_way"), ExitCode::FAILURE),
            (json!(null), ExitCode::FAILURE),
        ] {
            assert_eq!(verdict(&json!({"outcome": outcome})), expected, "{outcome}");
        }
    }

    fn admin(listen: &str) -> Admin {
        Admin {
            listen: listen.parse().unwrap(),
            token: Secret::new("a-token-for-the-test"),
        }
    }
}
