//! What the runtime is told of a container.

use super::{failure, sandbox, spec_of};
use crate::{
    context::Context,
    environment::{self, Referred, Sources},
    node_status::machine::Machine,
    observe::annotation,
    resources,
    runtime::{ContainerSpec, Mount, Propagation, labels},
    volume::{self, sub_path},
};
use garrison_plan::pod::Failure;
use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, SecurityContext, VolumeMount};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Parts of /proc and /sys that tell of the machine or change it (the runtime's usual lists).
const MASKED: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const TERMINATION_LOG: &str = "/dev/termination-log";

/// What is known of a container at its start, beside its spec.
pub(super) struct Start<'a> {
    pub(super) context: &'a Context,
    pub(super) pod: &'a Pod,
    pub(super) container: &'a Container,
    pub(super) attempt: u32,
    /// The image's id.
    pub(super) image: &'a str,
}

fn config_error(error: &(dyn std::error::Error + 'static)) -> Failure {
    failure("CreateContainerConfigError", error)
}

impl Start<'_> {
    /// The container as the runtime is told it.
    pub(super) async fn spec(&self) -> Result<ContainerSpec, Failure> {
        let Self { context, pod, container, .. } = *self;
        let env = self.environment().await?;
        let expanded = |words: &Option<Vec<String>>| -> Vec<String> {
            words.iter().flatten().map(|word| environment::expand(word, &env)).collect()
        };
        let (mut mounts, termination_file) = (Vec::new(), self.termination_file()?);
        if context.is_real() {
            mounts = self.mounts(&env, &termination_file)?;
        }
        let amounts = resources::of_container(container);
        let memory = Machine::read(&context.config.root_dir).memory;
        let mut spec = ContainerSpec {
            name: container.name.clone(),
            attempt: self.attempt,
            image: self.image.to_owned(),
            command: expanded(&container.command),
            args: expanded(&container.args),
            working_dir: container.working_dir.clone().unwrap_or_default(),
            mounts,
            devices: Vec::new(),
            labels: self.labels(),
            annotations: self.annotations(&termination_file),
            log_path: format!("{}/{}.log", container.name, self.attempt),
            stdin: container.stdin.unwrap_or(false),
            stdin_once: container.stdin_once.unwrap_or(false),
            tty: container.tty.unwrap_or(false),
            cpu_shares: amounts.cpu_shares,
            cpu_quota: amounts.cpu_quota,
            cpu_period: resources::PERIOD,
            memory_limit: amounts.memory_limit,
            oom_score_adj: resources::oom_score_adj(pod, container, memory),
            env,
            ..ContainerSpec::default()
        };
        self.secure(&mut spec);
        self.refuse_root(&spec).await?;
        Ok(spec)
    }

    async fn environment(&self) -> Result<Vec<(String, String)>, Failure> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or("default");
        let fetched = Referred::fetch(&self.context.objects, namespace, self.container).await;
        let referred = fetched.map_err(|error| config_error(&error))?;
        let allocatable = self.context.allocatable();
        let (host, port) = &self.context.cluster;
        let sources = Sources { pod: self.pod, allocatable: &allocatable, cluster: (host, port) };
        environment::variables(sources, self.container, &referred).map_err(|error| config_error(&error))
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let metadata = &self.pod.metadata;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        [
            (labels::POD_NAME, text(&metadata.name)),
            (labels::POD_NAMESPACE, text(&metadata.namespace)),
            (labels::POD_UID, text(&metadata.uid)),
            (labels::CONTAINER_NAME, self.container.name.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    fn annotations(&self, termination_file: &Path) -> BTreeMap<String, String> {
        let policy = self.container.termination_message_policy.clone().unwrap_or_else(|| "File".into());
        [
            (annotation::IMAGE, self.container.image.clone().unwrap_or_default()),
            (annotation::TERMINATION_FILE, termination_file.display().to_string()),
            (annotation::TERMINATION_POLICY, policy),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The file of this machine that the container sees as its termination log.
    fn termination_file(&self) -> Result<PathBuf, Failure> {
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        let directory = self.context.pod_dir(uid).join("containers").join(&self.container.name);
        let file = directory.join(format!("{}.termination", self.attempt));
        if self.context.is_real() {
            let make = || {
                fs::create_dir_all(&directory)?;
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o666).open(&file)?;
                // The container may run as anybody.
                fs::set_permissions(&file, fs::Permissions::from_mode(0o666))
            };
            make().map_err(|error| config_error(&error))?;
        }
        Ok(file)
    }

    fn mounts(&self, env: &[(String, String)], termination_file: &Path) -> Result<Vec<Mount>, Failure> {
        let own = self.container.volume_mounts.as_deref().unwrap_or_default();
        let mut mounts = own.iter().map(|mount| self.mount(mount, env)).collect::<Result<Vec<_>, _>>()?;
        let taken = |path: &str| own.iter().any(|mount| mount.mount_path.trim_end_matches('/') == path);
        let termination_path = self.container.termination_message_path.as_deref().unwrap_or(TERMINATION_LOG);
        if !taken(termination_path) {
            mounts.push(plain(termination_file, termination_path));
        }
        if !taken("/etc/hosts") {
            let status = self.pod.status.as_ref();
            let ips: Vec<String> =
                status.and_then(|status| status.pod_ips.as_ref()).into_iter().flatten().map(|ip| ip.ip.clone()).collect();
            let hosts = super::write_hosts(self.context, self.pod, &ips).map_err(|error| config_error(&error))?;
            mounts.push(plain(&hosts, "/etc/hosts"));
        }
        Ok(mounts)
    }

    fn mount(&self, mount: &VolumeMount, env: &[(String, String)]) -> Result<Mount, Failure> {
        let volumes = self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let Some(volume) = volumes.into_iter().find(|volume| volume.name == mount.name) else {
            let message = format!("cannot find volume \"{}\" to mount into container \"{}\"", mount.name, self.container.name);
            return Err(Failure { reason: "CreateContainerConfigError".into(), message });
        };
        let pod_dir = self.context.pod_dir(self.pod.metadata.uid.as_deref().unwrap_or_default());
        let mut place = volume::place(&pod_dir, volume);
        let sub = match (&mount.sub_path_expr, &mount.sub_path) {
            (Some(expression), _) if !expression.is_empty() => environment::expand(expression, env),
            (_, Some(path)) => path.clone(),
            _ => String::new(),
        };
        if !sub.is_empty() {
            place = sub_path::resolve(&place, &sub).map_err(|error| config_error(&error))?;
        }
        // What the agent swaps as a whole, nobody else may write.
        let managed = volume.host_path.is_none() && volume.empty_dir.is_none();
        Ok(Mount {
            host_path: place.display().to_string(),
            container_path: absolute(&mount.mount_path),
            readonly: mount.read_only.unwrap_or(false) || managed,
            propagation: match mount.mount_propagation.as_deref() {
                Some("Bidirectional") => Propagation::Bidirectional,
                Some("HostToContainer") => Propagation::HostToContainer,
                _ => Propagation::None,
            },
            selinux_relabel: false,
        })
    }

    /// The pod's security context, overridden by the container's.
    fn secure(&self, spec: &mut ContainerSpec) {
        let pod_spec = self.pod.spec.as_ref();
        let pod = pod_spec.and_then(|spec| spec.security_context.clone()).unwrap_or_default();
        let own = self.container.security_context.clone().unwrap_or_default();
        let flag = |flag: Option<bool>| flag.unwrap_or(false);
        spec.privileged = flag(own.privileged);
        if let Some(capabilities) = &own.capabilities {
            spec.add_capabilities = capabilities.add.clone().unwrap_or_default();
            spec.drop_capabilities = capabilities.drop.clone().unwrap_or_default();
        }
        spec.run_as_user = own.run_as_user.or(pod.run_as_user);
        spec.run_as_group = own.run_as_group.or(pod.run_as_group);
        spec.supplemental_groups = pod.fs_group.into_iter().chain(pod.supplemental_groups.clone().unwrap_or_default()).collect();
        spec.readonly_rootfs = flag(own.read_only_root_filesystem);
        spec.no_new_privs = own.allow_privilege_escalation == Some(false);
        let profile = own.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref());
        spec.seccomp = if spec.privileged { "Unconfined".into() } else { sandbox::seccomp(self.context, profile, "Unconfined") };
        spec.apparmor = self.apparmor(&own, &pod);
        let selinux = own.se_linux_options.as_ref().or(pod.se_linux_options.as_ref());
        spec.selinux = selinux.map(|options| {
            [&options.user, &options.role, &options.type_, &options.level].map(|part| part.clone().unwrap_or_default())
        });
        spec.host_network = flag(pod_spec.and_then(|spec| spec.host_network));
        spec.host_pid = flag(pod_spec.and_then(|spec| spec.host_pid));
        spec.host_ipc = flag(pod_spec.and_then(|spec| spec.host_ipc));
        spec.share_process_namespace = flag(pod_spec.and_then(|spec| spec.share_process_namespace));
        if !spec.privileged && own.proc_mount.as_deref() != Some("Unmasked") {
            spec.masked_paths = MASKED.map(str::to_owned).into();
            spec.readonly_paths = READ_ONLY.map(str::to_owned).into();
        }
    }

    fn apparmor(&self, own: &SecurityContext, pod: &PodSecurityContext) -> String {
        let profile = own.app_armor_profile.as_ref().or(pod.app_armor_profile.as_ref());
        if let Some(profile) = profile {
            return match (profile.type_.as_str(), &profile.localhost_profile) {
                ("Localhost", Some(name)) => format!("Localhost/{name}"),
                (kind, _) => kind.to_owned(),
            };
        }
        // The older way to say the same.
        let key = format!("container.apparmor.security.beta.kubernetes.io/{}", self.container.name);
        let annotation = self.pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(&key));
        match annotation.map(String::as_str) {
            Some("unconfined") => "Unconfined".into(),
            Some("runtime/default") => "RuntimeDefault".into(),
            Some(other) => other.strip_prefix("localhost/").map(|name| format!("Localhost/{name}")).unwrap_or_default(),
            None => String::new(),
        }
    }

    /// Keeps a container from running as root whose pod forbids that.
    async fn refuse_root(&self, spec: &ContainerSpec) -> Result<(), Failure> {
        let own = self.container.security_context.as_ref().and_then(|security| security.run_as_non_root);
        let pod = self.pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref()?.run_as_non_root);
        if !own.or(pod).unwrap_or(false) {
            return Ok(());
        }
        let refused = |message: String| Failure { reason: "CreateContainerConfigError".into(), message };
        let root = || refused("container has runAsNonRoot and image will run as root".into());
        match spec.run_as_user {
            Some(0) => return Err(refused("container's runAsUser breaks non-root policy".into())),
            Some(_) => return Ok(()),
            None => {}
        }
        match self.context.runtime.image_user(self.image).await.map_err(|error| config_error(&error))? {
            (Some(0), _) => Err(root()),
            (Some(_), _) => Ok(()),
            (None, name) if name.is_empty() => Err(root()),
            (None, name) => Err(refused(format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            ))),
        }
    }
}

fn plain(host_path: &Path, container_path: &str) -> Mount {
    Mount { host_path: host_path.display().to_string(), container_path: container_path.into(), ..Mount::default() }
}

/// A mount path may be written without its leading slash.
fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The spec of a container, or the word that there is none.
pub(super) fn find<'a>(pod: &'a Pod, name: &str) -> Result<&'a Container, Failure> {
    let message = || format!("the pod has no container \"{name}\"");
    spec_of(pod, name).ok_or_else(|| Failure { reason: "CreateContainerConfigError".into(), message: message() })
}
