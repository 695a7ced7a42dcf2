// Protects: no file of a pack takes another one's place in the directory of a task.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { checkPackPaths } from '../../../src/jobs/submit/pack-paths.ts';

describe('the paths of packed files', () => {
  const check = (how: 'dir' | 'list', paths: readonly string[]) => () =>
    checkPackPaths(
      how,
      paths,
      paths.map((path, n) => ({ name: `${n}:${path}` })),
    );

  for (const paths of [['a', 'b'], ['a/b', 'a/c', 'b'], ['x/a', 'y/a'], ['a b', "it's", '-n'], ['a', 'ab/c'], []])
    it(`are accepted for ${JSON.stringify(paths)}`, () => {
      check('dir', paths)();
      check('list', paths)();
    });

  const refused: readonly (readonly [paths: readonly string[], what: string])[] = [
    [['a', 'a'], 'the input "1:a" can\'t be in one directory with "0:a": both are a there'],
    [['a', 'a/b'], 'the input "1:a/b" can\'t be in one directory with "0:a": both are a there'],
    [['a/b', 'a'], 'the input "1:a" can\'t be in one directory with "0:a/b": both are a there'],
    [['a/b/c', 'x', 'a/b'], 'the input "2:a/b" can\'t be in one directory with "0:a/b/c": both are a/b there'],
    [['a', 'x', 'a/b/c'], 'the input "2:a/b/c" can\'t be in one directory with "0:a": both are a there'],
    [[''], 'has a name that no file can have'],
    [['x'.repeat(256)], 'has a name that no file can have'],
    [[`${'é'.repeat(128)}/a`], 'has a name that no file can have'],
  ];
  for (const [paths, what] of refused)
    it(`are refused for ${JSON.stringify(paths).slice(0, 40)}`, () => {
      for (const how of ['dir', 'list'] as const)
        expect(check(how, paths)).to.throw(BatchctlError, what).with.property('kind', 'jobFile');
    });

  it('are refused with a line end in a list, which has a path in each line', () => {
    for (const end of ['\n', '\r']) {
      expect(check('list', [`a${end}b`])).to.throw(BatchctlError, 'has a line end in its name');
      check('dir', [`a${end}b`])();
    }
  });
});
