// Protects: files and directories that decide what runs are used only if no other user can have written them.

import { expect } from 'chai';
import { distrustReason, isOpenToAll, isTrustedOwner, trustedUsers } from '../../src/lib/ownership.ts';

const [OWN, OTHER, GROUP] = [1000, 1001, 1000];

describe('what decides what runs', () => {
  const cases: readonly (readonly [uid: number, gid: number, mode: number, why: RegExp | null])[] = [
    [OWN, GROUP, 0o100644, null],
    [OWN, GROUP, 0o100664, null],
    [0, 0, 0o100644, null],
    [OTHER, GROUP, 0o100644, /belongs to another user \(mode 0644, owner 1001, group 1000\)/],
    [OWN, GROUP, 0o100666, /can be written by everyone/],
    [0, 0, 0o100664, /can be written by a group/],
    [OWN, 50, 0o100664, /can be written by a group/],
  ];
  for (const [uid, gid, mode, why] of cases)
    it(`of user ${uid} and group ${gid} with mode ${(mode & 0o777).toString(8)} is ${why ? 'refused' : 'used'}`, () => {
      const found = distrustReason({ uid, gid, mode }, { uid: OWN, gid: GROUP, caller: null });
      if (why === null) expect(found).to.equal(null);
      else expect(found).to.match(why);
    });

  it('may belong to the user who called root by sudo, and to no one else who set SUDO_UID', () => {
    const file = { uid: OTHER, gid: GROUP, mode: 0o100644 };
    expect(distrustReason(file, { uid: 0, gid: 0, caller: OTHER })).to.equal(null);
    expect(distrustReason(file, { uid: 0, gid: 0, caller: OWN })).to.match(/another user/);
    expect(trustedUsers({ SUDO_UID: '1001' }, 0)).to.include({ uid: 0, caller: OTHER });
    // Any user can set the variable.
    expect(trustedUsers({ SUDO_UID: '1001' }, OWN)).to.include({ uid: OWN, caller: null });
    for (const text of ['', '-1', '1001x', 'ann']) expect(trustedUsers({ SUDO_UID: text }, 0).caller).to.equal(null);
    expect(trustedUsers({}, 0).caller).to.equal(null);
    expect(trustedUsers({}).uid).to.equal(process.geteuid?.() ?? null);
  });

  it('is not asked of owners on systems that have none', () => {
    const none = { uid: null, gid: null, caller: null };
    expect(distrustReason({ uid: OTHER, gid: 9, mode: 0o777 }, none)).to.equal(null);
    expect(isTrustedOwner(OTHER, none)).to.equal(true);
  });

  it('can be replaced in a directory of all users without the sticky bit', () => {
    expect([0o40777, 0o41777, 0o40775, 0o40755].map(isOpenToAll)).to.deep.equal([true, false, false, false]);
  });
});
