import { SCOPES } from '../src/auth/caller.ts';
import { builder } from './builder.ts';

export const Scope = builder.enumType('Scope', { values: SCOPES });
