//! The outbound client as object stores want it.
//!
//! Owns the bridge between `object_store`, which signs and reads, and the
//! gateway's own connections: the same TLS, the same guard on names.
//! Deliberately repeats nothing: `object_store` does, by the kind of an error.

use std::{future::Future, pin::Pin};

use http::{HeaderValue, header::USER_AGENT};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, Error};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpResponseBody, HttpService,
    },
};

use super::{AGENT, ANSWERED_WITHIN, Connector, is_unwritten, new_client};

/// Sends requests to an object store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ObjectClient(Client<Connector, HttpRequestBody>);

impl ObjectClient {
    pub(crate) fn new() -> Self {
        Self(new_client())
    }

    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = HeaderValue::from_static(AGENT);
        request.headers_mut().insert(USER_AGENT, agent);
        let sent = tokio::time::timeout(ANSWERED_WITHIN, self.0.request(request)).await;
        let answer = sent
            .map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?
            .map_err(|error| HttpError::new(kind(&error), error))?;
        Ok(answer.map(|body| {
            let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
            HttpResponseBody::new(body.map_err(broken))
        }))
    }
}

impl HttpConnector for ObjectClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

// The trait's asynchronous function, written out.
impl HttpService for ObjectClient {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.send(request))
    }
}

fn kind(error: &Error) -> HttpErrorKind {
    if error.is_connect() {
        HttpErrorKind::Connect
    } else if is_unwritten(error) {
        HttpErrorKind::Request
    } else {
        HttpErrorKind::Interrupted
    }
}
