// The schema as it is checked in beside this file (schema.graphql): what callers and the contract test read.
import { printSchema } from 'graphql';
import { schema } from './index.ts';

export const SCHEMA_FILE = new URL('schema.graphql', import.meta.url);

export const printedSchema = (): string => `${printSchema(schema)}\n`;
