import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestConsole, type TestConsole } from '../support/console.ts';

const now = Date.parse('2026-11-21T03:12:00Z');
let console: TestConsole;

beforeAll(async () => {
  console = await createTestConsole(now);
});
afterAll(() => console.close());

describe('every page', () => {
  it('lets nothing run or load but our own files, and is kept nowhere', async () => {
    const { headers } = await console.get('/console/login', { role: null });
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('same-origin');
  });

  it('names its style sheet and script by their content, and those may be kept for ever', async () => {
    const { html } = await console.get('/console/login', { role: null });
    const files = [...html.matchAll(/(?:href|src)="(\/console\/assets\/[^"]+)"/g)].flatMap(([, file]) => file ?? []);
    expect(files).toHaveLength(3);
    for (const file of files) {
      expect(file).toMatch(/\.[0-9a-f]{12}\.(?:css|js|svg)$/);
      const answer = await console.get(file, { role: null });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
    expect((await console.get('/console/assets/console.000000000000.css', { role: null })).status).toBe(404);
  });

  it('needs no inline style or script', async () => {
    const { html } = await console.get('/console/login', { role: null });
    expect(html).not.toMatch(/\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)/);
  });

  it('is reached from / by browsers alone', async () => {
    const browser = await console.get('/', { role: null });
    expect([browser.status, browser.headers.get('location')]).toEqual([303, '/console']);
    expect((await console.get('/', { role: null, headers: { accept: 'application/json' } })).status).toBe(404);
  });
});
