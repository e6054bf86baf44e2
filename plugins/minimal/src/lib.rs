//! The smallest adapter: plain text both ways, one endpoint, one shared key.
use kefu_plugin_api::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Where the vendor takes messages.
    send_url: String,
    /// What the vendor sends in the header `x-key`.
    webhook_key: Secret,
}

#[derive(Deserialize)]
struct Hook {
    chat: String,
    id: String,
    text: String,
}

struct Minimal(Config);

impl Adapter for Minimal {
    type Config = Config;
    type State = ();

    fn descriptor() -> Descriptor {
        Descriptor::new("minimal", env!("CARGO_PKG_VERSION"))
            .supports(ContentKind::Text, Level::Full)
            .reaches_setting("send_url")
            .callbacks(KeyedBy::Conversation, "shared key in the header x-key")
    }

    fn open(config: Config) -> Result<Self, OpenError> {
        Ok(Self(config))
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        if !self.0.webhook_key.matches(callback.header("x-key")) {
            return Err(Reject::unauthenticated("header x-key is missing or wrong"));
        }
        let Hook { chat, id, text } = callback.json()?;
        let message = Incoming::new(Sender::of(SenderKind::Agent), Content::text(text));
        Ok(Receipt::ok().with(Received::keyed(
            chat,
            id,
            ProviderEvent::Message { message },
        )))
    }

    fn handle(&self, event: Event, session: &mut Session<()>) -> Result<Vec<Effect>, AdapterError> {
        Ok(match event {
            Event::Opened { .. } => vec![Effect::state(SessionState::Human)],
            Event::FromVisitor { message } => {
                let body = (session.conversation(), message.content.to_text());
                let request = HttpRequest::post_json(&self.0.send_url, &body);
                vec![
                    Call::new(message.id.as_str(), request)
                        .carrying(message.id)
                        .into(),
                ]
            }
            Event::CallFinished {
                call,
                result: CallResult::Answered { .. },
                ..
            } => {
                vec![Effect::delivered(call.into_string().into())]
            }
            Event::FromProvider { event } => Effect::from_provider(event),
            Event::Exited {} => vec![Effect::Close {
                reason: EndReason::Visitor,
            }],
            _ => vec![], // an event newer than this adapter, or one it does not need
        })
    }
}

#[cfg(feature = "export")]
export_adapter!(Minimal);
