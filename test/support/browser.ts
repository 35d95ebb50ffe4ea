import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { listen } from '../../src/http/server.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { tokenOf } from './api.ts';
import { requireBinary } from './binaries.ts';
import type { TestConsole } from './console.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Debian's Chromium, without a window. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: requireBinary('chromium'), args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** Serves a test console on a free port, under the one name for which browsers keep Secure cookies without TLS. */
export const serveConsole = async ({
  app,
}: Pick<TestConsole, 'app'>): Promise<{ url: string; close(): Promise<void> }> => {
  const server = await listen(app, { host: 'localhost', port: 0, variable: 'PORT', elapsed: () => performance.now() });
  return { url: `http://localhost:${server.port}`, close: () => server.drain(100) };
};

/** Looks at a page as people have it: `desk` 1,440 px wide, `tablet` 820 px, `phone` 390 px with a finger. */
export const looks = {
  light: { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  narrow: { viewport: { width: 820, height: 1100 }, colorScheme: 'light' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', hasTouch: true, isMobile: true },
} as const;
export type Look = keyof typeof looks;

/** What went wrong on a page that no test asked for: policy violations, errors of the script. */
export interface Watched {
  readonly page: Page;
  readonly faults: string[];
}

/** A new page that notes every violation of its content policy and every error. */
export const watchedPage = async (context: BrowserContext): Promise<Watched> => {
  const page = await context.newPage();
  const faults: string[] = [];
  await page.exposeFunction('noteViolation', (text: string) => void faults.push(text));
  await page.addInitScript(`document.addEventListener('securitypolicyviolation', (event) =>
    noteViolation('policy: ' + event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sample))`);
  page.on('pageerror', (error) => void faults.push(`script: ${error.message}`));
  return { page, faults };
};

/** Signs in with the token of a role, as a person does. */
export const signInAs = async (page: Page, url: string, role: Role): Promise<void> => {
  await page.goto(`${url}/console/login`);
  await page.getByLabel('Access token').fill(tokenOf(role));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${url}/console`);
};

/** What axe-core finds on a page, one line for each; none when all is well. */
export const axeFaults = async (page: Page): Promise<string[]> => {
  await page.evaluate(axeSource);
  const found = await page.evaluate<AxeResults>('axe.run()');
  return found.violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${impact} ${id}: ${target.join(' ')} ${failureSummary ?? ''}`),
  );
};

/** How many pixels a page can be scrolled sideways; none when it fits. */
export const sideways = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
