//! Planned failovers under load: the old primary refuses writes, and keeps its connections.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use stack::System;
use stack::testing;

use super::fault::on;
use super::load::Load;
use crate::LocalSite;

/// From the moment that new connections reach the new primary.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Fails over to a new replica, and back, because other faults are of the system's own Redis.
pub(super) async fn fail_over_redis(site: &Arc<LocalSite>, load: &Load) -> Result<()> {
    let replica = on(site, |system| {
        let replica = testing::redis()?;
        replica.replicate(Some(system.redis.port()))?;
        replica.replicate(None)?;
        system.redis.replicate(Some(replica.port()))?;
        redirect_redis(system, replica.port())?;
        Ok(replica)
    })
    .await?;
    recover(load).await?;
    on(site, move |system| {
        system.redis.replicate(None)?;
        replica.replicate(Some(system.redis.port()))?;
        redirect_redis(system, system.redis.port())
    })
    .await
}

async fn recover(load: &Load) -> Result<()> {
    let recovery = tokio::time::timeout(RECOVERY_TIMEOUT, load.recovery_time()).await;
    recovery.map(drop).with_context(|| format!("no new index has its value after {RECOVERY_TIMEOUT:?}"))
}

fn redirect_redis(system: &System, port: u16) -> Result<()> {
    system.redis_proxy.as_ref().context("the system has a proxy")?.redirect(port);
    Ok(())
}
