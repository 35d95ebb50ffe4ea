import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokensCommand } from '../../src/cli/tokens.ts';
import { tokenRoutes } from '../../src/http/tokens.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { type CliRunOptions, runCommand } from '../support/cli.ts';

const now = Date.UTC(2026, 10, 1);

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([tokenRoutes()], now);
});
afterAll(() => api.close());

const run = (args: readonly string[], options: CliRunOptions = {}) =>
  runCommand(api, tokensCommand, args, { columns: 200, role: 'admin', ...options });

describe('notafter tokens', () => {
  it('makes one, which works, and prints it first and alone on its line', async () => {
    const { code, out } = await run([
      'create',
      'ci of shop',
      '--role',
      'viewer',
      '--org-id',
      'org-shop',
      '--days',
      '30',
    ]);
    expect(code).toBe(0);
    const [token = ''] = out;
    expect(token).toMatch(/^nat_[\w-]{8}_[\w-]{43}$/);
    expect(out.join('\n')).toMatch(/org id +org-shop\n.*\n +expires at +2026-12-01T00:00:00.000Z/);
    expect((await run(['list'], { token })).err).toEqual(['notafter tokens list: HTTP 403: This needs the role admin']);
  });

  it('lists them, and those of the configuration, without secrets', async () => {
    const { out } = await run(['list']);
    const text = out.join('\n');
    expect(out[0]).toMatch(/^ID +NAME +ROLE +ORGANISATION +STATE +LAST USED +EXPIRES +MADE BY$/);
    expect(text).toMatch(/ci of shop +viewer +org-shop +active +2026-11-01T00:00:00.000Z +2026-12-01/);
    expect(text).toContain('in the configuration: viewer (viewer), operator (operator), admin (admin)');
    expect(text).not.toContain('nat_');
  });

  it('revokes one, once', async () => {
    const made = await run(['create', 'short-lived'], { columns: null });
    const { token, accessToken } = JSON.parse(made.out[0] ?? '') as { token: string; accessToken: { id: string } }; // as the API answers
    expect((await run(['revoke', accessToken.id, '--reason', 'leaked'])).out).toEqual([
      'short-lived lets nobody in from now on.',
    ]);
    expect((await run(['list'], { token })).err[0]).toContain('the admin token is refused');
    expect((await run(['revoke', accessToken.id])).out).toEqual(['short-lived was revoked before.']);
  });

  it('says what is wrong in the server’s words', async () => {
    const { code, err } = await run(['create', '<b>']);
    expect(code).toBe(1);
    expect(err[0]).toMatch(/^notafter tokens create: HTTP 400: name must have 1 to 80 letters/);
    expect((await run(['revoke', 'x'])).err).toEqual(['notafter tokens revoke: HTTP 400: id must be a UUID']);
  });
});
