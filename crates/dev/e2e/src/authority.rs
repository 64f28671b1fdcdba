//! Who signs the certificates of a test's servers, in place of the authorities that everybody trusts.
//!
//! It writes nothing down, and nothing outside of a test ever trusts it.

use rcgen::{BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair};
use stack::Certificate;

/// A certificate authority of the test's own.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// An authority that nobody trusts yet.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// Its own certificate as PEM: whoever has this among those it trusts, trusts what the authority signs.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for the hosts of these names.
    ///
    /// # Errors
    /// When a name is none.
    pub fn sign(&self, hosts: &[&str]) -> Result<Certificate, Error> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(hosts.iter().copied().map(str::to_owned).collect::<Vec<_>>())?;
        let chain = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Certificate { chain, key: key.serialize_pem() })
    }
}
