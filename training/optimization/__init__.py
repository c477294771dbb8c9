"""How a network learns: optimizers, schedules, losses and averages of weights, each a choice by name in a registry."""
