//! The last words of a child whose adapter asked the kernel for too much.
//!
//! Owns the handler of the signal that a forbidden system call raises, and the
//! way to leave a child without running anybody's exit code. Deliberately gives
//! the number and no name: inside a signal handler almost nothing is safe, so
//! the gateway looks the name up ([`read`]). Invariant: a forbidden call never
//! returns.

use std::{io, mem, ptr};

/// How a child ends that made a forbidden system call.
pub(super) const FORBIDDEN: i32 = 159;

/// How its one line begins.
const LINE: &[u8] = b"kefu-adapter-host: forbidden system call ";

/// The number in the last such line among a child's last words.
pub(super) fn read(words: &str) -> Option<i64> {
    let start = std::str::from_utf8(LINE).ok()?;
    words
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(start)?.trim().parse().ok())
}

/// Installs the handler, on the alternate stack that every thread of std has:
/// the call may come from a thread whose own stack is used up.
pub(super) fn install() -> io::Result<()> {
    // SAFETY: zero is a valid value of every field: no flags, an empty mask,
    // the default action.
    #[expect(unsafe_code, reason = "a C struct has no other start")]
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = say_and_leave as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and does
    // nothing but what may be done inside a handler; the old action is not
    // wanted.
    #[expect(unsafe_code, reason = "std installs no signal handlers")]
    let failed = unsafe { libc::sigaction(libc::SIGSYS, &action, ptr::null_mut()) } != 0;
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Ends the process at once; no destructor and no exit handler of anybody
/// runs.
pub(super) fn leave(status: i32) -> ! {
    // SAFETY: it has no conditions and does not return.
    #[expect(unsafe_code, reason = "std has only the exit that runs handlers")]
    unsafe {
        libc::_exit(status)
    }
}

/// What the kernel says about a forbidden call; `libc` has no name for it.
#[repr(C)]
struct ForbiddenCall {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    address: *mut libc::c_void,
    number: libc::c_int,
}

extern "C" fn say_and_leave(
    _: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes its information about this signal, which for
    // SIGSYS is laid out like this on every 64-bit Linux; `siginfo_t` is larger
    // and at least as strictly aligned.
    #[expect(unsafe_code, reason = "a handler is given a pointer")]
    let number = unsafe { (*info.cast::<ForbiddenCall>()).number };
    let mut line = [0; LINE.len() + MOST_DIGITS + 1];
    let length = compose(&mut line, number.unsigned_abs());
    // SAFETY: `write` is safe in a signal handler; the bytes are those of the
    // array. Whether they arrive changes nothing about what follows.
    #[expect(unsafe_code, reason = "std's writers take locks")]
    unsafe {
        libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), length);
    }
    leave(FORBIDDEN);
}

/// Digits of the largest number.
const MOST_DIGITS: usize = 10;

/// Writes the line without allocating; returns its length.
fn compose(line: &mut [u8; LINE.len() + MOST_DIGITS + 1], mut number: u32) -> usize {
    let mut digits = [0; MOST_DIGITS];
    let mut first = MOST_DIGITS;
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let count = MOST_DIGITS - first;
    line[..LINE.len()].copy_from_slice(LINE);
    line[LINE.len()..LINE.len() + count].copy_from_slice(&digits[first..]);
    line[LINE.len() + count] = b'\n';
    LINE.len() + count + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_the_line_is_read_back() {
        for number in [0, 7, 257, u32::MAX] {
            let mut line = [0; LINE.len() + MOST_DIGITS + 1];
            let length = compose(&mut line, number);
            let text = std::str::from_utf8(&line[..length]).expect("ASCII");
            assert!(text.ends_with('\n'), "{text:?}");
            assert_eq!(
                read(&format!("other words\n{text}")),
                Some(i64::from(number))
            );
        }
    }

    #[test]
    fn other_words_have_no_number() {
        assert_eq!(read(""), None);
        assert_eq!(read("forbidden system call 3"), None);
        assert_eq!(read("kefu-adapter-host: forbidden system call three"), None);
    }
}
