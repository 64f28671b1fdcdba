//! Planned failovers under load: the old primary refuses writes, and keeps its connections.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use stack::System;
use stack::testing::standby_of;

use super::fault::on;
use super::load::Load;
use crate::LocalSite;

/// From the moment that new connections reach the new primary.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Fails over to a new standby, and back, because other faults are of the system's own Postgres.
pub(super) async fn fail_over_postgres(site: &Arc<LocalSite>, load: &Load) -> Result<()> {
    let standby = Arc::new(on(site, |system| standby_of(&system.postgres)).await?);
    let promoted = Arc::clone(&standby);
    on(site, move |system| {
        system.postgres.fail_over_to(&promoted)?;
        redirect(system, promoted.port())
    })
    .await?;
    let recovery = tokio::time::timeout(RECOVERY_TIMEOUT, load.recovery_time()).await;
    recovery.with_context(|| format!("no new index has its value after {RECOVERY_TIMEOUT:?}"))?;
    on(site, move |system| {
        system.postgres.restart_as_standby(&standby)?;
        standby.fail_over_to(&system.postgres)?;
        redirect(system, system.postgres.port())
    })
    .await
}

fn redirect(system: &System, port: u16) -> Result<()> {
    system.postgres_proxy.as_ref().context("the system has a proxy")?.redirect(port);
    Ok(())
}
