//! `test.Adder`, as tonic's generator would have written it, and a client for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::client;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sum {
    #[prost(int64, tag = "1")]
    pub value: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    pub text: String,
}

type Sums = Pin<Box<dyn Stream<Item = Result<Sum, Status>> + Send>>;
type Answer<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

/// Ends with the test's runtime.
pub struct Adder {
    pub address: SocketAddr,
    calls: Arc<Calls>,
}

/// What is known of calls that never end.
#[derive(Default)]
struct Calls {
    running: AtomicUsize,
    deadline: Mutex<Option<String>>,
}

impl Adder {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, calls) = (listener.local_addr().unwrap(), Arc::new(Calls::default()));
        let shared = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let calls = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let calls = Arc::clone(&calls);
                    async { Ok::<_, Infallible>(serve(calls, request).await) }
                });
                let builder = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, calls }
    }

    /// How many calls of `Never` there are.
    pub fn running(&self) -> usize {
        self.calls.running.load(Ordering::SeqCst)
    }

    /// `grpc-timeout` of the last one.
    pub fn deadline(&self) -> Option<String> {
        self.calls.deadline.lock().unwrap().clone()
    }
}

async fn serve(calls: Arc<Calls>, request: hyper::Request<Incoming>) -> hyper::Response<Body> {
    let sums = || server::Grpc::new(ProstCodec::<Sum, Sum>::default());
    match request.uri().path() {
        "/test.Adder/Double" => sums().unary(Double, request).await,
        "/test.Adder/Count" => sums().server_streaming(Count, request).await,
        "/test.Adder/Add" => sums().client_streaming(Add, request).await,
        "/test.Adder/Running" => sums().streaming(Running, request).await,
        "/test.Adder/Never" => sums().unary(Never(calls), request).await,
        "/test.Adder/Repeat" => server::Grpc::new(ProstCodec::<Text, Text>::default()).unary(Repeat, request).await,
        _ => Status::unimplemented("no such method").into_http(),
    }
}

/// Twice the value, with the metadata it came with; negative ones are refused.
struct Double;

impl server::UnaryService<Sum> for Double {
    type Response = Sum;
    type Future = Answer<Sum>;

    fn call(&mut self, request: Request<Sum>) -> Self::Future {
        Box::pin(async move {
            let value = request.get_ref().value;
            if value < 0 {
                let mut status = Status::invalid_argument("größer als null, bitte: 100%");
                status.metadata_mut().insert("x-why", "negative".parse().unwrap());
                return Err(status);
            }
            let mut response = Response::new(Sum { value: value * 2 });
            if let Some(asked) = request.metadata().get("x-asked") {
                response.metadata_mut().insert("x-got", asked.clone());
            }
            if let Some(raw) = request.metadata().get_bin("x-raw-bin") {
                response.metadata_mut().insert_bin("x-raw-bin", raw.clone());
            }
            Ok(response)
        })
    }
}

/// So many sums; of a negative number, a status after so many.
struct Count;

impl server::ServerStreamingService<Sum> for Count {
    type Response = Sum;
    type ResponseStream = Sums;
    type Future = Answer<Sums>;

    fn call(&mut self, request: Request<Sum>) -> Self::Future {
        Box::pin(async move {
            let count = request.get_ref().value;
            let sums = tokio_stream::iter((0..count.abs()).map(|value| Ok(Sum { value })));
            let end = (count < 0).then(|| Err(Status::aborted("that was all")));
            Ok(Response::new(Box::pin(sums.chain(tokio_stream::iter(end))) as Sums))
        })
    }
}

/// The sum of all.
struct Add;

impl server::ClientStreamingService<Sum> for Add {
    type Response = Sum;
    type Future = Answer<Sum>;

    fn call(&mut self, request: Request<Streaming<Sum>>) -> Self::Future {
        Box::pin(async move {
            let mut sums = request.into_inner();
            let mut value = 0;
            while let Some(sum) = sums.next().await {
                value += sum?.value;
            }
            Ok(Response::new(Sum { value }))
        })
    }
}

/// The sum so far, after each.
struct Running;

impl server::StreamingService<Sum> for Running {
    type Response = Sum;
    type ResponseStream = Sums;
    type Future = Answer<Sums>;

    fn call(&mut self, request: Request<Streaming<Sum>>) -> Self::Future {
        Box::pin(async move {
            let mut value = 0;
            let sums = request.into_inner().map(move |sum| {
                value += sum?.value;
                Ok(Sum { value })
            });
            Ok(Response::new(Box::pin(sums) as Sums))
        })
    }
}

/// No answer.
struct Never(Arc<Calls>);

struct Call(Arc<Calls>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl server::UnaryService<Sum> for Never {
    type Response = Sum;
    type Future = Answer<Sum>;

    fn call(&mut self, request: Request<Sum>) -> Self::Future {
        let deadline = request.metadata().get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
        *self.0.deadline.lock().unwrap() = deadline;
        self.0.running.fetch_add(1, Ordering::SeqCst);
        let call = Call(Arc::clone(&self.0));
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(call);
            Err(Status::internal("it never ends"))
        })
    }
}

/// What it got.
struct Repeat;

impl server::UnaryService<Text> for Repeat {
    type Response = Text;
    type Future = Answer<Text>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

/// A client of `test.Adder`.
#[derive(Clone)]
pub struct Caller(client::Grpc<Channel>);

impl Caller {
    pub async fn connect(address: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self(client::Grpc::new(channel))
    }

    pub async fn double(&mut self, request: Request<Sum>) -> Result<Response<Sum>, Status> {
        self.unary(request, "/test.Adder/Double").await
    }

    pub async fn never(&mut self, request: Request<Sum>) -> Result<Response<Sum>, Status> {
        self.unary(request, "/test.Adder/Never").await
    }

    pub async fn unknown(&mut self) -> Result<Response<Sum>, Status> {
        self.unary(Request::new(Sum { value: 1 }), "/test.Adder/Unknown").await
    }

    pub async fn repeat(&mut self, text: &str) -> Result<String, Status> {
        let response: Response<Text> =
            self.unary(Request::new(Text { text: text.to_owned() }), "/test.Adder/Repeat").await?;
        Ok(response.into_inner().text)
    }

    pub async fn count(&mut self, value: i64) -> Result<Streaming<Sum>, Status> {
        self.ready().await?;
        let (path, codec) = (PathAndQuery::from_static("/test.Adder/Count"), ProstCodec::<Sum, Sum>::default());
        Ok(self.0.server_streaming(Request::new(Sum { value }), path, codec).await?.into_inner())
    }

    pub async fn add(&mut self, sums: impl Stream<Item = Sum> + Send + 'static) -> Result<Sum, Status> {
        self.ready().await?;
        let (path, codec) = (PathAndQuery::from_static("/test.Adder/Add"), ProstCodec::<Sum, Sum>::default());
        Ok(self.0.client_streaming(Request::new(sums), path, codec).await?.into_inner())
    }

    pub async fn running(&mut self, sums: impl Stream<Item = Sum> + Send + 'static) -> Result<Streaming<Sum>, Status> {
        self.ready().await?;
        let (path, codec) = (PathAndQuery::from_static("/test.Adder/Running"), ProstCodec::<Sum, Sum>::default());
        Ok(self.0.streaming(Request::new(sums), path, codec).await?.into_inner())
    }

    async fn unary<M>(&mut self, request: Request<M>, path: &'static str) -> Result<Response<M>, Status>
    where
        M: Message + Default + 'static,
    {
        self.ready().await?;
        self.0.unary(request, PathAndQuery::from_static(path), ProstCodec::<M, M>::default()).await
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unknown(error.to_string()))
    }
}
