import { describe, expect, it } from 'vitest';
import { channelsFor, type ChannelTraits, type NotifyRoute, type RoutedFacts, type Routing } from './notify-routes.ts';

const alerting: ChannelTraits = { kinds: ['alert'], resolves: true };
const triggering: ChannelTraits = { kinds: ['runbook'], resolves: false };
const channels: Routing['channels'] = new Map([
  ['alert-webhook', alerting],
  ['runbook', triggering],
  ['automation', triggering],
  ['pager', alerting],
  ['chat', alerting],
  ['mail', alerting],
]);
const facts: RoutedFacts = {
  kind: 'alert',
  action: 'fire',
  severity: 'critical',
  route: 'page',
  class: 'renewal_sla_breach',
  orgId: 'acme',
  domain: 'shop.example.com',
};
const route = (match: NotifyRoute['match'], to: string[], stop = false): NotifyRoute => ({ match, channels: to, stop });
const told = (routes: NotifyRoute[], change: Partial<RoutedFacts> = {}, always: string[] = []): string[] =>
  channelsFor({ channels, always, routes }, { ...facts, ...change });

describe('channelsFor', () => {
  it.each<[string, NotifyRoute['match'], boolean]>([
    ['nothing asked', {}, true],
    ['severity', { severity: ['critical'] }, true],
    ['another severity', { severity: ['warning'] }, false],
    ['route', { route: ['page'] }, true],
    ['another route', { route: ['ticket'] }, false],
    ['one of several classes', { class: ['tls_error', 'renewal_sla_breach'] }, true],
    ['another class', { class: ['drift'] }, false],
    ['owner', { orgId: ['other', 'acme'] }, true],
    ['another owner', { orgId: ['other'] }, false],
    ['name', { domain: ['shop.example.com'] }, true],
    ['suffix', { domain: ['*.example.com'] }, true],
    ['the suffix itself is not below it', { domain: ['*.shop.example.com'] }, false],
    ['a name that only ends alike', { domain: ['*.ample.com'] }, false],
    ['all of several', { severity: ['critical'], domain: ['*.example.com'] }, true],
    ['not all of several', { severity: ['critical'], domain: ['*.example.org'] }, false],
  ])('matches by %s', (_, match, expected) => {
    expect(told([route(match, ['chat'])])).toEqual(expected ? ['chat'] : []);
  });

  it('takes a domain without an owner for nobody’s', () => {
    expect(told([route({ orgId: ['acme'] }, ['chat'])], { orgId: null })).toEqual([]);
  });

  it('tells each channel once, those that are always told first', () => {
    const routes = [route({}, ['chat', 'pager']), route({ severity: ['critical'] }, ['pager', 'mail'])];
    expect(told(routes, {}, ['alert-webhook'])).toEqual(['alert-webhook', 'chat', 'pager', 'mail']);
  });

  it('stops only at a route that takes the notice', () => {
    const routes = [route({ severity: ['warning'] }, ['chat'], true), route({}, ['pager'], true), route({}, ['mail'])];
    expect(told(routes)).toEqual(['pager']);
    expect(told(routes, { severity: 'warning' })).toEqual(['chat']);
  });

  it('gives each kind to those that carry it', () => {
    const routes = [route({}, ['chat', 'automation'])];
    const always = ['alert-webhook', 'runbook'];
    expect(told(routes, {}, always)).toEqual(['alert-webhook', 'chat']);
    expect(told(routes, { kind: 'runbook' }, always)).toEqual(['runbook', 'automation']);
    expect(told(routes, { kind: 'runbook', action: 'resolve' }, always)).toEqual([]);
    expect(told(routes, { action: 'resolve' }, always)).toEqual(['alert-webhook', 'chat']);
  });

  it('leaves out names it does not know', () => {
    expect(told([route({}, ['gone', 'chat'])])).toEqual(['chat']);
  });
});
