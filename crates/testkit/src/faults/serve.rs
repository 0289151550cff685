//! A listener on a thread of its own.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

type Handler = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<()>> + Send + Sync>;

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Service {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its runtime ends with it, and every connection with that.
            let _ = thread.join();
        }
    }
}

/// Gives every connection to the handler.
pub(crate) fn serve(handler: Handler) -> io::Result<Service> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            tokio::select! {
                () = accept(listener, handler) => {}
                _ = stopped => {}
            }
        });
    });
    Ok(Service { url, stop: Some(stop), thread: Some(thread) })
}

async fn accept(listener: TcpListener, handler: Handler) {
    while let Ok((connection, _)) = listener.accept().await {
        // Each write is a packet: pieces must not be put together again on the way.
        let _ = connection.set_nodelay(true);
        tokio::spawn(handler(connection));
    }
}
