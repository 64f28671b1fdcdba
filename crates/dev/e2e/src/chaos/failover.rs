//! Planned failovers under load: the old primary refuses writes and keeps its connections. Each
//! failover is followed by one in the other direction, because all other faults need the original
//! primary.

use std::sync::Arc;

use anyhow::{Context, Result};
use stack::Proxy;
use stack::testing::{self, RECOVERY_TIMEOUT};

use super::fault::with_system;
use super::load::Load;
use crate::LocalSite;

/// Fails over to a new replica and back.
pub(super) async fn fail_over_redis(site: &Arc<LocalSite>, load: &Load) -> Result<()> {
    let replica = with_system(site, |system| {
        let replica = testing::redis()?;
        replica.replicate(system.redis.port())?;
        replica.promote()?;
        system.redis.replicate(replica.port())?;
        redirect(system.redis_proxy.as_ref(), replica.port())?;
        Ok(replica)
    })
    .await?;
    wait_for_recovery(load).await?;
    with_system(site, move |system| {
        system.redis.promote()?;
        replica.replicate(system.redis.port())?;
        redirect(system.redis_proxy.as_ref(), system.redis.port())
    })
    .await
}

/// Fails over to a new standby and back.
pub(super) async fn fail_over_postgres(site: &Arc<LocalSite>, load: &Load) -> Result<()> {
    let standby =
        Arc::new(with_system(site, |system| testing::standby_of(&system.postgres)).await?);
    let promoted = Arc::clone(&standby);
    with_system(site, move |system| {
        system.postgres.fail_over_to(&promoted)?;
        redirect(system.postgres_proxy.as_ref(), promoted.port())
    })
    .await?;
    wait_for_recovery(load).await?;
    with_system(site, move |system| {
        system.postgres.restart_as_standby(&standby)?;
        standby.fail_over_to(&system.postgres)?;
        redirect(system.postgres_proxy.as_ref(), system.postgres.port())
    })
    .await
}

async fn wait_for_recovery(load: &Load) -> Result<()> {
    let recovery = tokio::time::timeout(RECOVERY_TIMEOUT, load.recovery_time()).await;
    let recovery = recovery.map(drop);
    recovery.with_context(|| format!("a new index got no value within {RECOVERY_TIMEOUT:?}"))
}

fn redirect(proxy: Option<&Proxy>, port: u16) -> Result<()> {
    proxy.context("the system has no proxy")?.redirect(port);
    Ok(())
}
