import { createHash } from 'node:crypto';
import type { ErrorClass } from './types.ts';

const uuid = /\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi;
const fingerprint = /\b(?:sha256:)?[\da-f]{32,}\b/gi;
const address = /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b/g;
const hostName = /(?<![\w.-])(?:\*\.)?(?:[\w-]{1,63}\.)+[a-z][a-z\d-]{1,62}\b/gi;
const number = /(?<![\w<])\d+(?:\.\d+)?\b/g;

/** An error with what differs from event to event taken out, so that errors of one cause read the same. */
export const errorPattern = (error: string): string =>
  error
    .replace(uuid, '<uuid>')
    .replace(fingerprint, '<hash>')
    .replace(address, '<address>')
    .replace(hostName, '<domain>')
    .replace(number, '<n>');

/** What dead letters of one cause have in common: 16 hex digits of class and pattern. As `dead_letter_fingerprint` in SQL. */
export const errorFingerprint = (errorClass: ErrorClass, pattern: string): string =>
  createHash('sha256').update(`${errorClass}\n${pattern}`).digest('hex').slice(0, 16);
