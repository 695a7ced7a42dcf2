const NOBODY = 65_534;

/**
 * Calls `act` without root's right to read everything: root calls it as the user nobody. All modules that it loads must be
 * loaded before: this user can't read those of a clone below a directory such as /root.
 */
export async function withoutRights<T>(act: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return act();
  process.seteuid?.(NOBODY);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}
