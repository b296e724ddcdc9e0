//! `grpc`: the standard health service, `grpc.health.v1.Health/Check`.

use super::{Attempt, Outcome, Target, unknown};
use http::uri::PathAndQuery;
use k8s_openapi::api::core::v1::GRPCAction;
use prost::Message;
use std::{error::Error, iter};
use tonic::{Code, Request, client::Grpc, transport::Endpoint};
use tonic_prost::ProstCodec;

/// The service asked about; empty for the server as a whole.
#[derive(Clone, PartialEq, Eq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    status: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

pub(super) async fn attempt(grpc: &GRPCAction, target: &Target<'_>) -> Attempt {
    let host = if target.pod_ip.contains(':') { format!("[{}]", target.pod_ip) } else { target.pod_ip.into() };
    let address = format!("http://{host}:{}", grpc.port);
    let service = grpc.service.clone().unwrap_or_default();
    let failure = |why: &str| Outcome::Failure(format!("health service at {address}: {why}"));
    let endpoint = Endpoint::from_shared(address.clone()).map_err(unknown)?;
    let channel = endpoint.connect().await.map_err(|error| failure(&innermost(&error)))?;
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| failure(&innermost(&error)))?;
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    match client.unary(Request::new(HealthCheckRequest { service }), path, codec).await {
        Ok(answer) => match answer.into_inner().status() {
            ServingStatus::Serving => Ok(Outcome::Success),
            other => Err(failure(&format!("it says {other:?}"))),
        },
        Err(status) if status.code() == Code::Unimplemented => Err(failure("it is not implemented there")),
        Err(status) => Err(failure(status.message())),
    }
}

/// The cause that says most: "connection refused" rather than "transport error".
fn innermost(error: &(dyn Error + 'static)) -> String {
    iter::successors(Some(error), |&error| error.source()).last().map_or_else(String::new, ToString::to_string)
}
