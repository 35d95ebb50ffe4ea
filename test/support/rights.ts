import { readFileSync } from 'node:fs';

// The product runs in tests as it does in production: as a role and a user that may do what it needs and nothing else. What
// tests do to its stores, they do as the administrator.

type Environment = Readonly<Record<string, string>>;

/** The role that the template database lets in; see made.ts. */
export const runtimeRole = { name: 'notafter_runtime', password: 'password-of-the-runtime-role' } as const;
const redisUser = { name: 'notafter', password: 'password-of-the-redis-user' } as const;

const cloned = /^\/test_[0-9a-f]{32}$/;
const restricted = new Set<string>();

/** The users of ops/redis/users.acl, and the administrator of the tests. */
export const usersOfRedis = (): string => {
  const shipped = readFileSync(new URL('../../ops/redis/users.acl', import.meta.url), 'utf8');
  return shipped
    .replace('#PASSWORD_SHA256', `>${redisUser.password}`)
    .replace('user default off', 'user default on nopass ~* &* +@all');
};

/** Says that the Redis on this port has these users. */
export const hasUsers = (port: number): void => {
  restricted.add(String(port));
};

const databaseUrl = (text: string): string => {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (!cloned.test(url.pathname)) return text;
  url.username = runtimeRole.name;
  url.password = runtimeRole.password;
  return url.href;
};

const redisUrl = (text: string): string => {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (!restricted.has(url.port) || url.username !== '') return text;
  url.username = redisUser.name;
  url.password = redisUser.password;
  return url.href;
};

/**
 * The environment with the least rights the product works with, where its stores are of the tests' own making: a copy of the
 * template database, and a Redis whose keys have the usual prefix.
 */
export const withLeastRights = <E extends Environment>(env: E): E => ({
  ...env,
  ...(env['DATABASE_URL'] !== undefined && { DATABASE_URL: databaseUrl(env['DATABASE_URL']) }),
  ...(env['REDIS_URL'] !== undefined &&
    env['NOTAFTER_QUEUE_PREFIX'] === undefined && { REDIS_URL: redisUrl(env['REDIS_URL']) }),
});
