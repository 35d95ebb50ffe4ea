import { describe, expect, it } from 'vitest';
import { grantOf, groupsOf, nameOf } from './oidc-grant.ts';

const rules = [
  { group: 'a', role: 'viewer', orgId: 'one' },
  { group: 'b', role: 'viewer', orgId: null },
  { group: 'c', role: 'operator', orgId: 'two' },
  { group: 'd', role: 'operator', orgId: 'one' },
  { group: 'e', role: 'admin', orgId: null },
] as const;

describe('what groups are worth', () => {
  it.each([
    [[], null],
    [['x'], null],
    [['A'], null],
    [['a'], { role: 'viewer', orgId: 'one' }],
    [['a', 'b'], { role: 'viewer', orgId: null }],
    [['b', 'a', 'x'], { role: 'viewer', orgId: null }],
    [['b', 'c'], { role: 'operator', orgId: 'two' }],
    [['d', 'c'], { role: 'operator', orgId: 'two' }],
    [['e', 'c', 'a'], { role: 'admin', orgId: null }],
  ] as const)('%j: %j', (groups, grant) => {
    expect(grantOf(groups, rules)).toEqual(grant);
  });
});

describe('the groups of a claim', () => {
  it.each([
    [{ groups: ['a', 'b'] }, ['a', 'b']],
    [{ groups: 'a' }, ['a']],
    [{ groups: ['a', 1, null, { b: 1 }] }, ['a']],
    [{ groups: { a: true } }, []],
    [{ roles: ['a'] }, []],
  ])('%j: %j', (claims, groups) => {
    expect(groupsOf(claims, 'groups')).toEqual(groups);
  });
});

describe('the name of a person', () => {
  it.each([
    [{ sub: '1', email: 'ada@example.com', email_verified: true }, 'ada@example.com'],
    [{ sub: '1', email: 'ada@example.com' }, 'ada@example.com'],
    [{ sub: '1', email: 'ada@example.com', email_verified: false }, '1@id.example'],
    [{ sub: '1', email: 'admin' }, '1@id.example'],
    [{ sub: '1', preferred_username: 'admin' }, 'admin@id.example'],
    [{ sub: '1', preferred_username: 'a\u202Edmin\n' }, 'a dmin @id.example'],
    [{ sub: '1', preferred_username: 7 }, '1@id.example'],
  ])('%j: %s', (claims, name) => {
    expect(nameOf(claims, 'https://id.example/realms/x')).toBe(name);
  });
});
