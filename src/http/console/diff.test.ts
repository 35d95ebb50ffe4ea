import { expect, it } from 'vitest';
import { changesOf } from './diff.ts';

it.each<[string, unknown, unknown, unknown]>([
  ['nothing', null, null, []],
  [
    'what is new',
    null,
    { name: 'a', role: 'viewer' },
    [
      { name: 'name', before: null, after: 'a' },
      { name: 'role', before: null, after: 'viewer' },
    ],
  ],
  [
    'what changed alone',
    { status: 'dead', tries: 5 },
    { status: 'pending', tries: 5 },
    [{ name: 'status', before: 'dead', after: 'pending' }],
  ],
  ['what is gone', { region: 'eu' }, { region: null }, [{ name: 'region', before: 'eu', after: 'none' }]],
  [
    'fields within fields',
    null,
    { filter: { channel: 'chat', ids: ['1', '2'] } },
    [
      { name: 'filter.channel', before: null, after: 'chat' },
      { name: 'filter.ids', before: null, after: '["1","2"]' },
    ],
  ],
  ['what is no object', 'a', 'b', [{ name: 'value', before: 'a', after: 'b' }]],
])('shows %s', (_, before, after, wanted) => {
  expect(changesOf(before, after)).toEqual(wanted);
});
