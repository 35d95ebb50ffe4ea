import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join('docs', name)),
];
const read = (page: string): string => readFileSync(path.join(root, page), 'utf8');
const outsideCode = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '');

/** The anchors of a page, as they are made from its headings. */
const anchorsOf = (page: string): string[] =>
  [...outsideCode(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Links of a page that lead to no file, or to no heading in it. */
const brokenLinks = (page: string, text: string): string[] =>
  [...outsideCode(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? page : path.join(path.dirname(page), file);
    if (!existsSync(path.join(root, target))) return [link];
    return anchor === undefined || anchorsOf(target).includes(anchor) ? [] : [link];
  });

describe('the pages', () => {
  it.each(pages)('%s leads to files and headings that are there', (page) => {
    expect(brokenLinks(page, read(page))).toEqual([]);
  });

  it('would be found to lead nowhere', () => {
    expect(brokenLinks('README.md', '[a](none.md) [b](README.md#none) [c](LICENSE)')).toEqual([
      'none.md',
      'README.md#none',
    ]);
  });

  it('list every decision', () => {
    const written = readdirSync(path.join(root, 'docs', 'decisions')).filter((name) => name !== 'README.md');
    const listed = [...read('docs/decisions/README.md').matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name]) => name);
    expect(new Set(listed)).toEqual(new Set(written));
  });

  it('name every dependency', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, object>; // our own file
    const names = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !name.startsWith('@types/'));
    const page = read('docs/decisions/dependencies.md');
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});
