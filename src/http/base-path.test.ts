import { describe, expect, it } from 'vitest';
import { basePath, consolePath, routedPath } from './base-path.ts';

describe('the path in front of ours', () => {
  it.each([
    [undefined, ''],
    ['https://ops.example', ''],
    ['https://ops.example/', ''],
    ['https://ops.example/certs', '/certs'],
    ['https://ops.example/a/certs/?x=1', '/a/certs'],
  ])('of %s is %j', (url, path) => {
    expect(basePath({ NOTAFTER_PUBLIC_URL: url })).toBe(path);
  });

  it.each([
    ['/certs/console', '/certs', '/console'],
    ['/certs/console/', '/certs', '/console/'],
    ['/console', '/certs', '/console'],
    ['/certs', '/certs', '/'],
    ['/certs/', '/certs', '/'],
    ['/certsx/console', '/certs', '/certsx/console'],
    ['/certs/certs/console', '/certs', '/certs/console'],
    ['/console', '', '/console'],
  ])('of %s, where it is %j, leaves %s', (path, prefix, rest) => {
    expect(routedPath(path, prefix)).toBe(rest);
  });
});

describe('where to go after signing in', () => {
  it.each([
    ['/console', '/console'],
    ['/console/domains?q=a&status=issued', '/console/domains?q=a&status=issued'],
    ['/certs/console/domains', '/console/domains'],
    ['/console/./domains/../events', '/console/events'],
    [undefined, '/console'],
    ['', '/console'],
    ['//evil.example/console', '/console'],
    ['/\\evil.example/console', '/console'],
    ['https://evil.example/console', '/console'],
    ['/console//evil.example', '/console'],
    ['/console/../../v1/admin', '/console'],
    ['/consoles', '/console'],
    ['javascript:alert(1)', '/console'],
  ])('%s: %s', (asked, path) => {
    expect(consolePath(asked, '/certs')).toBe(path);
  });
});
