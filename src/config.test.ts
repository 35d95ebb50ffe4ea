import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { variables } from './config-variables.ts';
import { type Config, loadConfig, parseConfig } from './config.ts';
import { ConfigError } from './errors.ts';

type Env = Record<string, string>;

const readsFrom =
  (files: Env) =>
  (name: string): string => {
    const text = files[name];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' });
    return text;
  };
const parse = (env: Env, files: Env = {}): Config => parseConfig(env, readsFrom(files));

const problemsIn = (load: () => Config): readonly string[] => {
  try {
    load();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};
const problemsOf = (env: Env, files: Env = {}): readonly string[] => problemsIn(() => parse(env, files));

const names = Object.keys(variables);
/** A value that the variable's own rule refuses, made from `marker`; null where it takes any text. */
const badValue = (name: string, marker: string): string | null => {
  const rule: v.GenericSchema | undefined = Object.entries(variables).find(([key]) => key === name)?.[1].rule;
  const candidates = [marker, `${marker}!`, marker.slice(0, 7), ' '];
  return rule === undefined ? null : (candidates.find((value) => !v.is(rule, value)) ?? null);
};

describe('parseConfig', () => {
  it('has the contract’s defaults', () => {
    expect(parse({})).toMatchObject({
      PORT: 8080,
      CERT_METRICS_PORT: 9465,
      NOTAFTER_DATA_DIR: '.data',
      CERT_EVENT_REQUIRE_PROVENANCE: false,
      CERT_EVENT_MAX_AGE_SECONDS: 300,
      CERT_EVENT_MAX_RETRIES: 6,
      CERT_EVENT_BASE_BACKOFF_SECONDS: 45,
      CERT_EVENT_BATCH_SIZE: 500,
      CERT_EXPIRY_WARN_DAYS: 30,
      CERT_RENEWAL_SLA_WARNING_HOURS: 72,
      CERT_INGEST_FAILURES_PER_MINUTE: 1000,
      DOMAIN_VERIFY_STRICT: true,
    });
    for (const name of [
      'DATABASE_URL',
      'REDIS_URL',
      'CERT_EVENT_INGEST_TOKEN',
      'CERT_EVENT_SOURCE_KEYS',
      'CERT_ADMIN_TOKENS',
    ]) {
      expect(parse({})).not.toHaveProperty(name);
    }
  });

  it('takes an empty value for none, and does not look at what it does not know', () => {
    expect(parse(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(parse({}));
    expect(parse({ PATH: '/bin', CERT_UNKNOWN: 'x' })).toEqual(parse({}));
  });

  it('cannot be changed', () => {
    expect(Object.isFrozen(parse({}))).toBe(true);
  });

  it.each([
    ['PORT', '0', 0],
    ['PORT', '65535', 65_535],
    ['CERT_EVENT_REQUIRE_PROVENANCE', 'true', true],
    ['DOMAIN_VERIFY_STRICT', 'false', false],
    ['DATABASE_URL', 'postgres://u:p@h:5432/db', 'postgres://u:p@h:5432/db'],
    ['DATABASE_URL', 'postgresql:///db?host=/run', 'postgresql:///db?host=/run'],
    ['REDIS_URL', 'rediss://:p@h:6380/1', 'rediss://:p@h:6380/1'],
    ['CERT_EVENT_INGEST_TOKEN', ' 12345678 ', '12345678'],
    [
      'NOTAFTER_DNS_SERVERS',
      '192.0.2.1, [2001:db8::1]:5353,2001:db8::2',
      ['192.0.2.1', '[2001:db8::1]:5353', '2001:db8::2'],
    ],
    ['NOTAFTER_QUEUE_PREFIX', '{a-b_C}', '{a-b_C}'],
  ])('reads %s=%s', (name, text, value) => {
    expect(parse({ [name]: text })).toHaveProperty(name, value);
  });

  it.each([
    ['PORT', ['65536', '-1', '+1', '1.5', '1e3', '0x10', ' 80', '80 ', 'http', '99999999999999999999', '٨٠']],
    ['CERT_EVENT_MAX_AGE_SECONDS', ['0', '86401']],
    ['CERT_EVENT_MAX_RETRIES', ['0', '101']],
    ['CERT_EVENT_REQUIRE_PROVENANCE', ['TRUE', '1', 'yes', ' true']],
    ['DATABASE_URL', ['mysql://h/db', 'h/db', 'redis://h', '//h/db', ' ']],
    ['REDIS_URL', ['postgres://h/db', 'h:6379', 'http://h']],
    ['CERT_EVENT_INGEST_TOKEN', ['1234567', '       8', '   ']],
    [
      'NOTAFTER_DNS_SERVERS',
      [
        ',',
        'ns.example.com',
        '192.0.2.1:0',
        '192.0.2.1:65536',
        '192.0.2.256',
        '2001:db8::1::2',
        '[192.0.2.1]',
        '[2001:db8::1]x',
      ],
    ],
    ['NOTAFTER_QUEUE_PREFIX', ['a b', 'a:b', 'x'.repeat(65)]],
    ['NOTAFTER_LOG_LEVEL', ['trace', 'INFO']],
  ])('refuses for %s each of %j', (name, values) => {
    for (const value of values) {
      const problems = problemsOf({ [name]: value });
      expect(problems).not.toHaveLength(0);
      for (const problem of problems) expect(problem).toMatch(new RegExp(`^${name} must `));
    }
  });

  it('reports every wrong variable at once, by name, and never by value', () => {
    const marker = fc.stringMatching(/^[G-Zg-z]{12}$/).map((text) => `mk${text}`);
    fc.assert(
      fc.property(marker, fc.subarray(names, { minLength: 1 }), fc.boolean(), (text, chosen, inFiles) => {
        const bad = chosen.flatMap((name) => {
          const value = badValue(name, text);
          return value === null ? [] : [[name, value] as const];
        });
        const inline = Object.fromEntries(bad);
        const paths = Object.fromEntries(bad.map(([name]) => [`${name}_FILE`, `/${text}/${name}`]));
        const files = Object.fromEntries(bad.map(([name, value]) => [`/${text}/${name}`, value]));
        const problems = inFiles ? problemsOf(paths, files) : problemsOf(inline);
        expect([...new Set(problems.map((problem) => problem.split(' ')[0]))]).toEqual(bad.map(([name]) => name));
        expect(problems.join('\n')).not.toContain(text.slice(0, 7));
      }),
      // Each case parses the whole environment: more take half a minute on a busy machine.
      { numRuns: 1000 },
    );
  });

  it('has a rule that refuses something for almost every variable', () => {
    expect(names.filter((name) => badValue(name, 'mkGHIJKLMNOP') !== null).length).toBeGreaterThanOrEqual(
      names.length - 3,
    );
  });

  it('says all problems in one error', () => {
    const problems = problemsOf({
      PORT: 'x',
      REDIS_URL: 'y',
      CERT_EVENT_SOURCE_KEYS: 'a:b=c,oops',
      CERT_ADMIN_TOKENS: 'a:b',
    });
    expect(new Set(problems.map((problem) => problem.split(' ')[0]))).toEqual(
      new Set(['CERT_ADMIN_TOKENS', 'CERT_EVENT_SOURCE_KEYS', 'PORT', 'REDIS_URL']),
    );
    expect(problems).toContain('CERT_EVENT_SOURCE_KEYS entry 2 is not of the form source:cluster=secret');
  });
});

describe('the _FILE form', () => {
  it.each([
    ['8081', 8081],
    ['8081\n', 8081],
    ['8081\r\n', 8081],
  ])('reads the value %j from a file, without the line end', (text, port) => {
    expect(parse({ PORT_FILE: '/run/port' }, { '/run/port': text }).PORT).toBe(port);
  });

  it('exists for every variable', () => {
    for (const name of names)
      expect(problemsOf({ [`${name}_FILE`]: '/none' })).toEqual([`${name}_FILE cannot be read (ENOENT)`]);
  });

  it('takes off one line end and no more', () => {
    expect(problemsOf({ PORT_FILE: '/p' }, { '/p': '8081\n\n' })).toEqual([
      'PORT must be a whole number from 0 to 65535',
    ]);
  });

  it('an empty file is not the same as no file', () => {
    expect(problemsOf({ CERT_EVENT_INGEST_TOKEN_FILE: '/p' }, { '/p': '\n' })).not.toEqual([]);
    expect(problemsOf({ CERT_ADMIN_TOKENS_FILE: '/p' }, { '/p': '' })).not.toEqual([]);
  });

  it('together with the variable itself is a mistake, unless one of them is empty', () => {
    expect(problemsOf({ PORT: '1', PORT_FILE: '/p' }, { '/p': '2' })).toEqual([
      'PORT is set twice, as PORT and as PORT_FILE; unset one',
    ]);
    expect(parse({ PORT: '', PORT_FILE: '/p' }, { '/p': '2' }).PORT).toBe(2);
    expect(parse({ PORT: '1', PORT_FILE: '' }).PORT).toBe(1);
  });

  it('reads real files, and names those that cannot be read without their path', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'notafter-config-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(path.join(folder, 'token'), 'tokentoken\n');
    for (const name of names) {
      vi.stubEnv(name, undefined);
      vi.stubEnv(`${name}_FILE`, undefined);
    }
    vi.stubEnv('CERT_EVENT_INGEST_TOKEN_FILE', path.join(folder, 'token'));
    expect(loadConfig().CERT_EVENT_INGEST_TOKEN).toBe('tokentoken');
    vi.stubEnv('CERT_ADMIN_TOKENS_FILE', folder);
    vi.stubEnv('PORT_FILE', path.join(folder, 'none'));
    expect(problemsIn(loadConfig)).toEqual([
      'PORT_FILE cannot be read (ENOENT)',
      'CERT_ADMIN_TOKENS_FILE cannot be read (EISDIR)',
    ]);
  });
});

describe('CERT_EVENT_SOURCE_KEYS', () => {
  it('is read in both forms', () => {
    const list = parse({ CERT_EVENT_SOURCE_KEYS: 'a:b=x=y,a:b=z' }).CERT_EVENT_SOURCE_KEYS;
    expect(list?.get('a:b')?.secrets).toEqual(['x=y', 'z']);
    const json = parse(
      { CERT_EVENT_SOURCE_KEYS_FILE: '/k' },
      { '/k': '[{"source":"a","cluster":"b","secrets":["x,y"],"domains":["*.a.com"]}]\n' },
    );
    expect(json.CERT_EVENT_SOURCE_KEYS?.get('a:b')).toMatchObject({ secrets: ['x,y'], domains: ['*.a.com'] });
  });
});

describe('CERT_ADMIN_TOKENS', () => {
  const form =
    'is not of the form name:role:token (roles viewer, operator, admin; token of 8 or more characters, no blanks)';

  it('reads names, roles and tokens, which may hold colons', () => {
    expect(parse({ CERT_ADMIN_TOKENS: 'ann:admin:12345678, bob:viewer:a:b:c:d:e=f' }).CERT_ADMIN_TOKENS).toEqual([
      { name: 'ann', role: 'admin', token: '12345678' },
      { name: 'bob', role: 'viewer', token: 'a:b:c:d:e=f' },
    ]);
  });

  it.each([
    ['ann', [1]],
    ['ann:admin', [1]],
    ['ann:admin:1234567', [1]],
    ['ann:root:12345678', [1]],
    ['ann:Admin:12345678', [1]],
    [':admin:12345678', [1]],
    ['ann:admin:12345678,', [2]],
    ['ann:admin:1234 5678', [1]],
    ['x,ann:admin:12345678,y', [1, 3]],
  ])('%j names the places %j', (text, places) => {
    expect(problemsOf({ CERT_ADMIN_TOKENS: text })).toEqual(
      places.map((place) => `CERT_ADMIN_TOKENS entry ${place} ${form}`),
    );
  });

  it('refuses one token for two names, since only one role could be meant', () => {
    expect(problemsOf({ CERT_ADMIN_TOKENS: 'ann:admin:12345678,bob:viewer:12345678' })).toEqual([
      'CERT_ADMIN_TOKENS entry 2 repeats a token',
    ]);
  });
});

describe('single sign-on', () => {
  const complete = {
    NOTAFTER_PUBLIC_URL: 'https://ops.example',
    NOTAFTER_OIDC_ISSUER: 'https://id.example',
    NOTAFTER_OIDC_CLIENT_ID: 'notafter',
    NOTAFTER_OIDC_ROLES: 'ops=operator',
  };

  it.each(['https://id.example', 'http://127.0.0.1:9000', 'http://localhost:9000', 'http://[::1]:9000'])(
    'may be at %s',
    (issuer) => {
      expect(problemsOf({ ...complete, NOTAFTER_OIDC_ISSUER: issuer })).toEqual([]);
    },
  );

  it.each(['http://id.example', 'http://127.0.0.1.evil.example', 'http://localhost.evil.example'])(
    'may not be at %s, where its secret would go in the clear',
    (issuer) => {
      expect(problemsOf({ ...complete, NOTAFTER_OIDC_ISSUER: issuer })).toEqual([
        'NOTAFTER_OIDC_ISSUER must be an https URL; http is for a provider on this host',
      ]);
    },
  );

  it('is told once of a value that cannot be used, not that it is missing', () => {
    expect(problemsOf({ ...complete, NOTAFTER_PUBLIC_URL: 'ops.example.com' })).toEqual([
      expect.stringMatching(/^NOTAFTER_PUBLIC_URL must be a URL/),
    ]);
    expect(problemsOf({ ...complete, NOTAFTER_OIDC_ROLES: 'sre=boss' })).toEqual([
      expect.stringMatching(/^NOTAFTER_OIDC_ROLES entry 1 .* viewer, operator, admin$/),
    ]);
    expect(problemsOf({ ...complete, NOTAFTER_OIDC_ISSUER: 'id.example' })).toEqual([
      expect.stringMatching(/^NOTAFTER_OIDC_ISSUER must be a URL/),
    ]);
  });

  it.each(['NOTAFTER_OIDC_CLIENT_ID', 'NOTAFTER_OIDC_CLIENT_SECRET', 'NOTAFTER_OIDC_ROLES'] as const)(
    'is not left out in silence where %s is set',
    (name) => {
      expect(problemsOf({ [name]: { ...complete, NOTAFTER_OIDC_CLIENT_SECRET: 'long enough' }[name] })).toEqual([
        `NOTAFTER_OIDC_ISSUER must be set with ${name}`,
      ]);
    },
  );

  it.each(['NOTAFTER_PUBLIC_URL', 'NOTAFTER_OIDC_CLIENT_ID', 'NOTAFTER_OIDC_ROLES'])('needs %s', (name) => {
    expect(problemsOf({ ...complete, [name]: '' })).toEqual([`${name} must be set with NOTAFTER_OIDC_ISSUER`]);
  });
});
