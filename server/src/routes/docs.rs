//! `/openapi.json`, the OpenAPI description that utoipa generates from the handlers, and `/docs`,
//! Swagger UI for this description.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::error::ApiError;
use crate::extract::Path;

/// Serves `description`, in which `max_index` becomes the maximum of an index.
pub(super) fn routes(mut description: OpenApi, max_index: u32) -> Router {
    set_max_index(&mut description, max_index);
    // Serializing the description cannot fail.
    let json = Bytes::from(description.to_json().unwrap_or_default());
    let openapi = async || ([(header::CONTENT_TYPE, "application/json")], json);
    // Not the routes of `SwaggerUi`: they redirect /docs to an absolute path, which lacks the
    // prefix /api of the edge.
    let redirect = async || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "docs/")]);
    // The default is the online validator of swagger.io.
    let config = Config::from("../openapi.json").try_it_out_enabled(true).validator_url("none");
    Router::new()
        .route("/openapi.json", get(openapi))
        .route("/docs", get(redirect))
        .route("/docs/", get(async |config| swagger_file(Path(String::new()), config).await))
        .route("/docs/{*file}", get(swagger_file))
        .with_state(Arc::new(config))
}

fn set_max_index(description: &mut OpenApi, max_index: u32) {
    let schemas = description.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::Object(index))) =
        schemas.and_then(|schemas| schemas.get_mut("Index"))
    {
        index.maximum = Some(max_index.into());
    }
}

/// Serves a file of Swagger UI. The empty path is its index.html.
async fn swagger_file(
    Path(path): Path<String>,
    State(config): State<Arc<Config<'static>>>,
) -> Result<Response, ApiError> {
    match utoipa_swagger_ui::serve(&path, config) {
        Ok(Some(SwaggerFile { bytes, content_type, .. })) => {
            let content_type = HeaderValue::try_from(content_type).ok();
            let content_type =
                content_type.map(|content_type| [(header::CONTENT_TYPE, content_type)]);
            Ok((content_type, bytes).into_response())
        }
        Ok(None) => Ok(StatusCode::NOT_FOUND.into_response()),
        Err(error) => Err(ApiError::internal().with_cause(error)),
    }
}
