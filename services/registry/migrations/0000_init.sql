CREATE SCHEMA "registry";
--> statement-breakpoint
CREATE TABLE "registry"."asset" (
	"id" text PRIMARY KEY NOT NULL,
	"organisation_id" text NOT NULL,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"description" text NOT NULL,
	"commitment" "bytea" NOT NULL,
	"plan" text NOT NULL,
	"plan_digest" "bytea" NOT NULL,
	"cost" text NOT NULL,
	"shared" boolean NOT NULL,
	"archived" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "asset_version" UNIQUE("organisation_id","name","version")
);
