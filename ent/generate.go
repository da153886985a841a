// Package ent is generated from ent/schema, but for this file. Entities are
// created, changed and deleted by the services of package tenants only.
package ent

//go:generate go tool ent generate --feature intercept,sql/upsert,sql/lock,sql/modifier ./schema
