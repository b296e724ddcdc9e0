//! What became of requests whose answer was lost.

use super::{Book, Error, Hand, error::First};
use garrison_plan::daemonset::{Creation, Doubt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

impl Hand<'_> {
    /// Reads it from the API. The set is looked at again with what was found, be it that nothing was done.
    pub(super) async fn find_out(&self, doubts: &[Doubt], book: &mut Book, first: &mut First) {
        let api = self.api::<Pod>();
        for doubt in doubts {
            let found = match &doubt.created {
                Some(creation) => self.find_created(&api, creation, book).await,
                None => Ok(()),
            };
            first.note(
                found
                    .and(self.find_deleted(&api, doubt, book).await)
                    .map_err(|source| Error::Doubt { node: doubt.node.to_string(), source }),
            );
            book.unfinished = true;
        }
    }

    async fn find_created(&self, api: &Api<Pod>, creation: &Creation, book: &mut Book) -> kube::Result<()> {
        // Only under this name: those before it were others' when it was sent.
        if let Some(name) = creation.names(self.set).next()
            && let Some(existing) = api.get_opt(&name).await?.filter(|existing| creation.is(self.set, &name, existing))
        {
            self.note(existing, book);
        }
        book.column.answered(&creation.node);
        Ok(())
    }

    async fn find_deleted(&self, api: &Api<Pod>, doubt: &Doubt, book: &mut Book) -> kube::Result<()> {
        for (name, uid) in &doubt.deleted {
            match api.get_opt(name).await?.filter(|pod| pod.metadata.uid.as_ref() == Some(uid)) {
                Some(pod) => self.note(pod, book),
                None => book.column.deleted(uid, Timestamp::now()),
            }
            book.column.answered_delete(&doubt.node, uid);
        }
        Ok(())
    }
}
