CREATE TABLE "dealer"."sealing_key" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" text NOT NULL,
	"since" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sealing_key_one" CHECK ("dealer"."sealing_key"."one")
);
