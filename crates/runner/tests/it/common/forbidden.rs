//! Makes the kernel refuse system calls to a process, like the seccomp profile of a container.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The offset of the call's number in `struct seccomp_data` of linux/seccomp.h.
const NUMBER_AT: u32 = 0;

/// The largest number of calls that one filter refuses.
const MOST: usize = 4;

fn step(code: u32, k: u32, jt: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf: 0, k }
}

/// Makes the kernel refuse `calls` with `errno` to the program that `command` starts, and to all its
/// children.
pub fn forbid(command: &mut Command, calls: &[libc::c_long], errno: i32) {
    assert!(calls.len() <= MOST);
    let answer = libc::BPF_RET | libc::BPF_K;
    let n = calls.len();
    let mut program = [step(answer, libc::SECCOMP_RET_ALLOW, 0); MOST + 3];
    program[0] = step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_AT, 0);
    for (place, call) in calls.iter().enumerate() {
        let is_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program[1 + place] = step(is_equal, *call as u32, (n - place) as u8);
    }
    program[n + 2] = step(answer, libc::SECCOMP_RET_ERRNO | errno as u32, 0);
    // SAFETY: between fork and exec only prctl(2) is called, on memory of the closure.
    unsafe { command.pre_exec(move || install(&mut program[..n + 3], 0)) };
}

/// Makes the program of `command` run under a filter that already has a listener. The filter sends no call to
/// the listener.
pub fn listen_to(command: &mut Command) {
    let mut program = [step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0)];
    // SAFETY: between fork and exec only prctl(2), seccomp(2) and fcntl(2) are called, on memory of
    // the closure.
    unsafe {
        command.pre_exec(move || install(&mut program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER));
    }
}

fn install(program: &mut [libc::sock_filter], flags: libc::c_ulong) -> io::Result<()> {
    let program =
        libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    // SAFETY: prctl(PR_SET_NO_NEW_PRIVS) takes numbers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: seccomp(2) reads the program, which outlives the call.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags != 0 {
        // Keep the listener's descriptor open in the program. If it were closed, the filter would have no
        // listener.
        // SAFETY: the call above has returned the descriptor; F_SETFD touches no memory.
        unsafe { libc::fcntl(done as i32, libc::F_SETFD, 0) };
    }
    Ok(())
}
