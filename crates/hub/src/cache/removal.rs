//! Removing a repository from the cache.

use std::fs;

use super::layout::HubCache;
use super::lock::Lock;
use crate::Error;
use crate::repo::RepoId;

impl HubCache {
    /// Deletes everything that is here of a repository; contents in a store that several
    /// repositories share are the Hub's own tools' to clean up. The bytes that are gone, or `None`
    /// when a process is just downloading some of it.
    ///
    /// # Errors
    /// [`Error::Io`] when something cannot be deleted.
    pub fn remove(&self, repo: &RepoId) -> Result<Option<u64>, Error> {
        let Some(model) = self.model(repo) else { return Ok(Some(0)) };
        let Some(locks) = Lock::all(self, repo)? else { return Ok(None) };
        let folder = self.repo(repo);
        // Links are deleted as links, never what they lead to.
        fs::remove_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        drop(locks);
        Ok(Some(model.bytes + model.incomplete))
    }
}
