import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Context, Hono } from 'hono';
import type { HttpEnv } from '../env.ts';
import { openToAll } from '../rules.ts';

const types = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' } as const;
const year = 31_536_000;

const read = (name: string): string => readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');

interface Asset {
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

const assetOf = (stem: string, kind: keyof typeof types, parts: readonly string[]): Asset => {
  const text = parts.map(read).join('\n');
  return { name: `${stem}.${hash('sha256', text, 'hex').slice(0, 12)}.${kind}`, type: types[kind], text };
};

// The order of the parts is that of the cascade layers.
const styleParts = ['tokens.css', 'base.css', 'layout.css', 'parts.css', 'tables.css', 'pages.css', 'adapt.css'];

interface Assets {
  readonly style: Asset;
  readonly script: Asset;
  readonly icon: Asset;
}

let loaded: Assets | null = null;

/** The style sheet and the script, read once; their names hold the hash of their content. */
export const assets = (): Assets =>
  (loaded ??= {
    style: assetOf('console', 'css', styleParts),
    script: assetOf('console', 'js', ['console.js']),
    icon: assetOf('icon', 'svg', ['icon.svg']),
  });

const answer = (c: Context<HttpEnv>) => {
  const file = c.req.param('file');
  const asset = Object.values(assets()).find(({ name }) => name === file);
  if (asset === undefined) return c.notFound();
  return c.body(asset.text, 200, {
    'Content-Type': asset.type,
    'Cache-Control': `public, max-age=${year}, immutable`,
    'X-Content-Type-Options': 'nosniff',
  });
};

/** The style sheet, the script and the icon: kept for ever, because other content has another name. */
export const assetRoutes = () =>
  new Hono<HttpEnv>().get(
    '/console/assets/:file',
    openToAll(answer, 'They are the same for everybody and hold nothing secret'),
  );
