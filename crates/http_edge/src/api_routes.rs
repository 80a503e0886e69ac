//! A router that records its operations, so that a test can compare them with the OpenAPI document.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

/// A method and a path template, as in the OpenAPI document.
pub type Operation = (Method, &'static str);

/// Routes under construction. Ingest, the projector and this crate build no other routers (`tests/architecture.rs`).
pub struct ApiRoutes<S = ()> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Default for ApiRoutes<S> {
    fn default() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> ApiRoutes<S> {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation.
    ///
    /// # Panics
    /// If the path has this method already.
    pub fn route<H, T>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.layered(method, path, handler, |route| route)
    }

    /// Adds an operation, with layers of its own around the handler.
    ///
    /// # Panics
    /// If the path has this method already.
    pub fn layered<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        handler: H,
        layer: impl FnOnce(MethodRouter<S>) -> MethodRouter<S>,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            unreachable!("BUG: {method} can't be routed");
        };
        self.router = self.router.route(path, layer(on(filter, handler)));
        self.operations.push((method, path));
        self
    }

    /// The operations that were added.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The router.
    pub fn into_router(self) -> Router<S> {
        self.router
    }
}
