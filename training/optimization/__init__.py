"""How a network learns: optimizers, schedules and losses, each a choice by name in a registry of its own."""
