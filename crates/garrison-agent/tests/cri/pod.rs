//! Pods for tests, as the agent would ask for them.

use crate::{BUSYBOX, machine::Machine};
use garrison_agent::{
    cri::Cri,
    runtime::{ContainerSpec, Runtime, SandboxSpec, labels},
};
use std::{collections::BTreeMap, fs, time::Duration};

/// A pod in the namespace `tests`.
pub(crate) struct Pod {
    pub(crate) sandbox: SandboxSpec,
    /// Runtime id of the sandbox, once started.
    pub(crate) id: String,
}

impl Pod {
    pub(crate) fn new(machine: &Machine, name: &str) -> Self {
        let labels = [(labels::POD_NAME, name), (labels::POD_NAMESPACE, "tests"), (labels::POD_UID, &format!("uid-{name}"))];
        let sandbox = SandboxSpec {
            namespace: "tests".into(),
            name: name.into(),
            uid: format!("uid-{name}"),
            log_directory: format!("{}/log/tests_{name}_uid-{name}", machine.dir.display()),
            cgroup_parent: machine.cgroup.clone(),
            labels: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            seccomp: "RuntimeDefault".into(),
            ..SandboxSpec::default()
        };
        Self { sandbox, id: String::new() }
    }

    /// A container that runs `script`.
    pub(crate) fn container(&self, name: &str, script: &str) -> ContainerSpec {
        let mut labels = self.sandbox.labels.clone();
        labels.insert(labels::CONTAINER_NAME.into(), name.into());
        ContainerSpec {
            name: name.into(),
            image: BUSYBOX.into(),
            args: vec!["-c".into(), script.into()],
            labels,
            annotations: BTreeMap::from([("example.org/note".into(), "kept".into())]),
            log_path: format!("{name}/0.log"),
            host_network: self.sandbox.host_network,
            ..ContainerSpec::default()
        }
    }

    pub(crate) async fn start(&mut self, cri: &Cri) {
        fs::create_dir_all(&self.sandbox.log_directory).unwrap();
        self.id = cri.run_sandbox(&self.sandbox).await.unwrap();
    }

    /// Creates and starts a container; its runtime id.
    pub(crate) async fn run(&self, cri: &Cri, spec: &ContainerSpec) -> String {
        fs::create_dir_all(format!("{}/{}", self.sandbox.log_directory, spec.name)).unwrap();
        let id = cri.create_container(&self.id, &self.sandbox, spec).await.unwrap();
        cri.start_container(&id).await.unwrap();
        id
    }

    /// Removes the sandbox and all that is in it.
    pub(crate) async fn remove(&self, cri: &Cri) {
        for container in cri.containers().await.unwrap().iter().filter(|container| container.sandbox_id == self.id) {
            cri.stop_container(&container.id, Duration::ZERO).await.unwrap();
        }
        cri.stop_sandbox(&self.id).await.unwrap();
        cri.remove_sandbox(&self.id).await.unwrap();
    }
}
