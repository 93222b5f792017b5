//! A server as the other side: gRPC calls on a small runtime of their own.
//!
//! | file | what for |
//! |---|---|
//! | `import` | files into a stream of rows that ends only if all of them were read |
//! | `steps` | plans step by step, and the log |
//! | `status` | a server's refusal in the same words and exit codes as a store's |

mod import;
mod status;
mod steps;

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::model::Digest;
use crate::plan::Line;
use crate::service::v1;
use v1::frame_service_client::FrameServiceClient;
use v1::plan_service_client::PlanServiceClient;
use v1::registry_service_client::RegistryServiceClient;

use super::args::Access;
use super::backend::{
    Backend, Drawn, ImportOrder, Imported, LineFilter, PlanOrder, PlanRecord, plan_id,
};
use super::convert::{self, Event};
use super::failure::Failure;
use super::files::{self, CsvFile};
use super::progress::Progress;
use status::failure;

/// How long to wait for a connection: a server that is there answers at once.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Plans asked for at a time.
const PAGE: i32 = 1000;
/// Largest message that is accepted: a page of plans with long titles fits many times.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A connection to a server.
pub(super) struct Remote {
    runtime: Runtime,
    channel: Link,
}

/// A connection on which every call shows who makes it.
type Link = InterceptedService<Channel, Bearer>;

/// Adds the token to calls, if there is one.
#[derive(Clone)]
pub(super) struct Bearer(Option<AsciiMetadataValue>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Bearer {
    fn new(access: &Access) -> Result<Self, Failure> {
        let token = match &access.token_file {
            Some(path) => Some(files::text(path)?),
            None => std::env::var("SPOTCHECK_TOKEN").ok(),
        };
        let Some(token) = token.map(|token| token.trim().to_owned()).filter(|t| !t.is_empty())
        else {
            return Ok(Bearer(None));
        };
        let mut value: AsciiMetadataValue = format!("Bearer {token}")
            .parse()
            .map_err(|_| Failure::input("the token has characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }
}

fn tls(access: &Access) -> Result<ClientTlsConfig, Failure> {
    let ca = access.tls_ca.as_ref().ok_or_else(|| {
        Failure::input("--tls-ca FILE is needed with https: whose certificates are trusted")
    })?;
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(files::text(ca)?));
    if let (Some(cert), Some(key)) = (&access.tls_cert, &access.tls_key) {
        tls = tls.identity(Identity::from_pem(files::text(cert)?, files::text(key)?));
    }
    Ok(tls)
}

/// The entries of a list, page by page: `page` gets a page's token, empty for the first, and gives
/// its entries and the token of the next.
fn all_pages<T>(
    mut page: impl FnMut(String) -> Result<(Vec<T>, String), Failure>,
) -> Result<Vec<T>, Failure> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (entries, next) = page(token)?;
        all.extend(entries);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

impl Remote {
    /// Connects to `url`, e.g. `http://127.0.0.1:50051`; without a scheme it is `http`.
    ///
    /// # Errors
    /// If the address is none, or nobody answers there.
    pub fn connect(url: &str, access: &Access) -> Result<Self, Failure> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::input(format_args!(
                "--server {url}: {why}; expected e.g. http://127.0.0.1:50051"
            ))
        };
        let uri: tonic::codegen::http::Uri = full.parse().map_err(|error| wrong(&error))?;
        let secure = uri.scheme_str() == Some("https");
        if !secure && uri.scheme_str() != Some("http") || uri.port_u16().is_none() {
            return Err(wrong(&"is no address of a server"));
        }
        let bearer = Bearer::new(access)?;
        let local = uri.host().is_some_and(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        });
        if bearer.0.is_some() && !secure && !local {
            return Err(wrong(&"a token is only sent over https"));
        }
        let mut endpoint = Endpoint::from(uri).connect_timeout(CONNECT_MAX).tcp_nodelay(true);
        if secure {
            endpoint = endpoint.tls_config(tls(access)?).map_err(|error| wrong(&error))?;
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::other(format_args!("runtime: {error}")))?;
        let channel = runtime.block_on(endpoint.connect()).map_err(|error| {
            let cause =
                std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
                    .last()
                    .map(ToString::to_string)
                    .unwrap_or_default();
            Failure::other(format_args!("--server {url}: {cause}"))
        })?;
        let channel = InterceptedService::new(channel, bearer);
        Ok(Remote { runtime, channel })
    }

    /// Freezes the frame that a plan would be drawn from; says what is in it.
    pub fn freeze(&mut self, order: &PlanOrder) -> Result<String, Failure> {
        let mut client = FrameServiceClient::new(self.channel.clone());
        convert::frozen(self.call(client.freeze_frame(convert::freeze_request(order)))?)
    }

    pub(super) fn plans_client(&self) -> PlanServiceClient<Link> {
        PlanServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn registry_client(&self) -> RegistryServiceClient<Link> {
        RegistryServiceClient::new(self.channel.clone())
    }

    /// Waits for a unary call.
    fn call<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(call).map(tonic::Response::into_inner).map_err(|s| failure(&s))
    }
}

impl Backend for Remote {
    fn import(
        &mut self,
        order: &ImportOrder,
        files: &[CsvFile],
        progress: &Progress,
    ) -> Result<Imported, Failure> {
        let client = self.registry_client();
        let response = import::run(&self.runtime, client, order, files, progress)?;
        convert::imported(response)
    }

    fn draw(&mut self, order: &PlanOrder, progress: &Progress) -> Result<Drawn, Failure> {
        let mut client = self.plans_client();
        self.runtime.block_on(async {
            let request = convert::draw_request(order);
            let response = client.draw_plan(request).await.map_err(|s| failure(&s))?;
            let mut messages = response.into_inner();
            while let Some(message) = messages.message().await.map_err(|s| failure(&s))? {
                match convert::event(message)? {
                    Some(Event::Stage(name)) => progress.stage(&name),
                    Some(Event::Drawn(drawn)) => return Ok(*drawn),
                    None => {}
                }
            }
            Err(convert::odd("a draw that ended without a plan"))
        })
    }

    fn plans(&mut self) -> Result<Vec<PlanRecord>, Failure> {
        let plans = all_pages(|page_token| {
            let request =
                v1::ListPlansRequest { page_size: PAGE, page_token, policy_id: String::new() };
            let page = self.call(self.plans_client().list_plans(request))?;
            Ok((page.plans, page.next_page_token))
        })?;
        Ok(plans.into_iter().map(convert::record).collect())
    }

    fn export(&mut self, plan: &str) -> Result<Vec<u8>, Failure> {
        let mut client = self.plans_client();
        let name = format!("plans/{}", plan_id(plan));
        self.runtime.block_on(async {
            let request = v1::ExportPlanRequest { name };
            let response = client.export_plan(request).await.map_err(|s| failure(&s))?;
            let mut messages = response.into_inner();
            let (mut bytes, mut digest) = (Vec::new(), None);
            while let Some(message) = messages.message().await.map_err(|s| failure(&s))? {
                digest.get_or_insert(message.document_digest);
                bytes.extend_from_slice(&message.data);
            }
            // A stream that ends early must not pass for a shorter plan.
            if digest == Some(Digest::of(&bytes).to_string()) {
                Ok(bytes)
            } else {
                Err(convert::odd("a plan file that has not the digest it is said to have"))
            }
        })
    }

    fn lines(&mut self, plan: &str, filter: LineFilter) -> Result<Vec<Line>, Failure> {
        let mut client = self.plans_client();
        self.runtime.block_on(async {
            let request = convert::lines_request(plan_id(plan), filter);
            let response = client.stream_plan_lines(request).await.map_err(|s| failure(&s))?;
            let mut messages = response.into_inner();
            let mut lines = Vec::new();
            while let Some(message) = messages.message().await.map_err(|s| failure(&s))? {
                for line in message.lines {
                    lines.push(convert::line(line)?);
                }
            }
            Ok(lines)
        })
    }

    fn regenerate(&mut self, plan: &str, progress: &Progress) -> Result<Option<String>, Failure> {
        progress.stage("drawing again");
        let request = v1::RegeneratePlanRequest { name: format!("plans/{}", plan_id(plan)) };
        let answer = self.call(self.plans_client().regenerate_plan(request))?;
        Ok((!answer.same).then_some(answer.difference))
    }
}
