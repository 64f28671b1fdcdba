//! A certificate for a server of the tests, as PEM, and where servers find it. Who signed it is the test's business.
//!
//! It makes no keys and checks nothing: a wrong certificate is what some tests want.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, followed by those that signed it, except for the root.
    pub chain: String,
    /// Its key.
    pub key: String,
}

impl Certificate {
    /// Writes both into `dir`, the key for its owner alone; returns their paths.
    pub(crate) fn write(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        let (chain, key) = (dir.join("server.crt"), dir.join("server.key"));
        let written = fs::write(&chain, &self.chain)
            .and_then(|()| fs::write(&key, &self.key))
            .and_then(|()| fs::set_permissions(&key, fs::Permissions::from_mode(0o600)));
        written.map_err(Error::io(format!("writing a certificate into {}", dir.display())))?;
        Ok((chain, key))
    }
}
