//! The machine as the kernel describes it.

use std::{fs, path::Path};

/// Facts about the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Processors usable by this process.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes that could be had without swapping.
    pub memory_available: u64,
    /// Bytes of the filesystem that holds the pods' directories.
    pub disk: u64,
    /// Bytes of it free.
    pub disk_available: u64,
    /// Inodes of it; 0 where it has none.
    pub inodes: u64,
    /// Inodes free.
    pub inodes_free: u64,
    /// Tasks that exist.
    pub pids: u64,
    /// Tasks that may exist.
    pub pids_max: u64,
    /// Changes with each start of the machine.
    pub boot_id: String,
    /// Belongs to the installation.
    pub machine_id: String,
    /// Belongs to the hardware.
    pub system_uuid: String,
    /// Kernel release.
    pub kernel: String,
    /// Name of the distribution.
    pub os_image: String,
}

impl Machine {
    /// Reads the facts. What cannot be read stays empty: a node is useful without a machine id.
    pub fn read(root_dir: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let meminfo = text("/proc/meminfo");
        let mut machine = Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kib(&meminfo, "MemTotal:"),
            memory_available: kib(&meminfo, "MemAvailable:"),
            pids: tasks(&text("/proc/loadavg")),
            pids_max: text("/proc/sys/kernel/pid_max").parse().unwrap_or(u64::MAX),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            machine_id: text("/etc/machine-id"),
            system_uuid: text("/sys/class/dmi/id/product_uuid"),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            os_image: os_image(&text("/etc/os-release")),
            ..Self::default()
        };
        if let Ok(disk) = rustix::fs::statvfs(root_dir) {
            machine.disk = disk.f_blocks * disk.f_frsize;
            machine.disk_available = disk.f_bavail * disk.f_frsize;
            (machine.inodes, machine.inodes_free) = (disk.f_files, disk.f_ffree);
        }
        machine
    }
}

fn kib(meminfo: &str, key: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// From `0.1 0.2 0.3 2/345 6789` the 345.
fn tasks(loadavg: &str) -> u64 {
    let share = loadavg.split_whitespace().nth(3).and_then(|share| share.split_once('/'));
    share.and_then(|(_, all)| all.parse().ok()).unwrap_or(0)
}

fn os_image(release: &str) -> String {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let meminfo = "MemTotal:       16303092 kB\nMemFree:  100 kB\nMemAvailable:   2048 kB";
        assert_eq!(kib(meminfo, "MemTotal:"), 16_303_092 * 1024);
        assert_eq!(kib(meminfo, "MemAvailable:"), 2 << 20);
        assert_eq!(kib("", "MemTotal:"), 0);
        assert_eq!(tasks("0.47 0.40 0.30 1/345 6789"), 345);
        assert_eq!(os_image("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\""), "Debian GNU/Linux 12");
    }

    #[test]
    fn this_machine_has_something_of_everything() {
        let machine = Machine::read(Path::new("/"));
        let all = [machine.memory, machine.memory_available, machine.disk, machine.pids, machine.pids_max];
        assert!(all.iter().all(|amount| *amount > 0), "{machine:?}");
    }
}
